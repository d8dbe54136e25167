// The bar at the top: where one is, how long the shift lasts, and the way out.

import { changePassword } from "../passwords.js";
import { ask, h, toast } from "../ui.js";
import { findPatient } from "./glass.js";
import { showSessions } from "./sessions.js";
import { admitSomebody } from "./stay.js";

/** @param {import("./desk.js").Desk} desk */
export function bar(desk) {
  const home = h(
    "button",
    {
      class: "brand brand-button",
      type: "button",
      on: { click: () => desk.go({ name: "board" }) },
    },
    h("img", { src: "/static/icon.svg", alt: "" }),
    "CareLink",
  );
  const lock = h(
    "button",
    { class: "button button-quiet", type: "button", on: { click: () => desk.session.lock() } },
    h("span", { "aria-hidden": "true", class: "icon-lock" }),
    "Lock",
  );
  return h(
    "header",
    { class: "topbar" },
    home,
    desk.clock.element,
    h("div", { class: "row push bar-end" }, lock, menu(desk)),
  );
}

/** @param {import("./desk.js").Desk} desk */
function menu(desk) {
  const { user, session } = desk;
  const initials = user.name
    .split(/\s+/)
    .filter((part) => /^\p{L}/u.test(part))
    .slice(-2)
    .map((part) => part[0])
    .join("");
  /** @type {[string, () => unknown][]} */
  const entries = [
    ["My sessions", () => showSessions(desk)],
    ["Change password", () => changePassword(session)],
    ["Enter password again", () => desk.renew()],
    ["Log out everywhere", () => everywhere(desk)],
    ["Log out", () => leave(desk, () => session.logout())],
  ];
  if (["doctor", "nurse"].includes(user.user_type))
    entries.unshift(
      ["Find a record by MRN", () => findPatient(desk)],
      ["Admit somebody new", () => admitSomebody(desk)],
    );
  const list = h(
    "div",
    { class: "menu-list card", hidden: true },
    h(
      "div",
      { class: "menu-who" },
      h("strong", {}, user.name),
      h("span", { class: "soft small" }, user.email),
      h("span", { class: "soft small" }, [user.user_type, user.unit].filter(Boolean).join(", ")),
    ),
    entries.map(([text, act]) =>
      h(
        "button",
        {
          class: "menu-entry",
          type: "button",
          on: {
            click: () => {
              close();
              act();
            },
          },
        },
        text,
      ),
    ),
  );
  const button = h(
    "button",
    {
      class: "button menu-button",
      type: "button",
      "aria-expanded": "false",
      on: { click: () => toggle() },
    },
    h("span", { class: "initials", "aria-hidden": "true" }, initials),
    h("span", { class: "narrow-hide" }, user.name),
    h("span", { class: "hidden-visually wide-hide" }, user.name),
  );
  const element = h(
    "div",
    {
      class: "menu",
      on: {
        keydown: (/** @type {KeyboardEvent} */ event) => {
          if (event.key !== "Escape" || list.hidden) return;
          close();
          button.focus();
        },
        focusout: (/** @type {FocusEvent} */ event) => {
          if (!element.contains(/** @type {Node} */ (event.relatedTarget))) close();
        },
      },
    },
    button,
    list,
  );
  const close = () => {
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  const toggle = () => {
    list.hidden = !list.hidden;
    button.setAttribute("aria-expanded", String(!list.hidden));
  };
  return element;
}

/**
 * Leave, asking first where unsaved work would be lost.
 * @param {import("./desk.js").Desk} desk
 * @param {() => Promise<unknown>} way
 */
async function leave(desk, way) {
  const { size } = desk.drafts;
  const sure =
    !size ||
    (await ask({
      title: "Log out?",
      yes: "Log out",
      danger: true,
      text: `There ${size === 1 ? "is one unsaved draft" : `are ${size} unsaved drafts`}. Logging out drops ${size === 1 ? "it" : "them"}.`,
    }));
  if (sure) await desk.attempt(way);
}

/** @param {import("./desk.js").Desk} desk */
async function everywhere(desk) {
  const sure = await ask({
    title: "Log out everywhere?",
    yes: "Log out everywhere",
    danger: true,
    text: "Every session of yours ends at once, on this workstation and on all other devices.",
  });
  if (!sure) return;
  await desk.attempt(() => desk.session.logoutEverywhere());
  if (desk.session.state.status === "signed-out") toast("You are logged out on every device.");
}
