// The lock screen. What was on the screen leaves the document, half-written forms with it, and
// comes back as it was for the same person's password, or never.

import { busy, field, fill, h } from "../ui.js";
import { refused } from "./login.js";
import { LOCKED } from "./words.js";

/**
 * Take everything off the page; return how to put it back.
 * @param {Element} root
 */
export function putAway(root) {
  const kept = [...root.childNodes];
  const dialogs = /** @type {HTMLDialogElement[]} */ ([
    ...document.querySelectorAll("dialog[open]"),
  ]);
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const title = document.title;
  document.querySelector(".toasts")?.remove();
  for (const dialog of dialogs) dialog.remove();
  root.replaceChildren();
  return () => {
    root.replaceChildren(...kept);
    for (const dialog of dialogs.filter((each) => each.open)) {
      // One that was closed meanwhile is done: what was sent from it would be sent twice.
      dialog.removeAttribute("open");
      document.body.append(dialog);
      dialog.showModal();
    }
    document.title = title;
    if (focused?.isConnected) focused.focus();
  };
}

/**
 * Show the lock screen.
 * @param {Element} root
 * @param {import("../session.js").Session} session
 * @param {{unsaved: number, leave: () => void}} options
 */
export function showLock(root, session, { unsaved, leave }) {
  const { user, reason } = session.state;
  const password = field("Password", {
    kind: "password",
    autocomplete: "current-password",
    required: true,
    maxlength: 1024,
  });
  const fault = h("div", { role: "alert" });
  const button = h(
    "button",
    { class: "button button-primary button-wide", type: "submit" },
    "Unlock",
  );
  const submit = async () => {
    if (!password.input.value) return password.fault("Type your password.");
    password.fault();
    try {
      await session.reauthenticate(password.input.value);
    } catch (error) {
      fill(fault, h("div", { class: "notice notice-bad" }, h("p", {}, refused(error))));
      password.input.value = "";
      password.input.focus();
    }
    return undefined;
  };
  fill(
    root,
    h(
      "main",
      { id: "main", class: "welcome", tabindex: "-1" },
      h(
        "div",
        { class: "welcome-card card stack" },
        h(
          "div",
          { class: "welcome-brand" },
          h("img", { src: "/static/icon.svg", alt: "", width: 48, height: 48 }),
          h("div", {}, h("h1", {}, "Locked"), h("p", { class: "soft" }, user?.name ?? "")),
        ),
        h("p", {}, LOCKED[reason ?? ""] ?? "Your password goes on where you were."),
        unsaved > 0 &&
          h(
            "div",
            { class: "notice notice-info" },
            h("p", {}, "Your unsaved work is kept behind this screen."),
          ),
        fault,
        h(
          "form",
          {
            class: "stack",
            novalidate: true,
            on: {
              submit: (/** @type {Event} */ event) => {
                event.preventDefault();
                busy(button, submit);
              },
            },
          },
          // For password managers: whose password it is.
          h("input", {
            type: "email",
            autocomplete: "username",
            value: user?.email ?? "",
            hidden: true,
            readonly: true,
          }),
          password.element,
          button,
        ),
        h("hr", {}),
        h(
          "div",
          { class: "row row-between" },
          h("p", { class: "small soft" }, "Not you?"),
          h(
            "button",
            { class: "button button-small", type: "button", on: { click: leave } },
            unsaved > 0 ? "Log out, and drop the unsaved work" : "Log out and switch user",
          ),
        ),
      ),
    ),
  );
  document.title = "CareLink – locked";
  password.input.focus();
}
