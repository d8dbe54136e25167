// The login, and why somebody stands before it.

import { busy, clockTime, dayTime, explain, field, fill, h } from "../ui.js";
import { WHY } from "./words.js";

const WORKSTATION = "carelink.workstation";
/** What this workstation is called: the one thing that stays when somebody logs out. */
export const workstation = () => localStorage.getItem(WORKSTATION) ?? "";

/**
 * Show the login.
 * @param {Element} root
 * @param {import("../session.js").Session} session
 * @param {string | null} reason  why an earlier session is over
 */
export function showLogin(root, session, reason) {
  const email = field("E-mail", {
    kind: "email",
    autocomplete: "username",
    required: true,
    maxlength: 254,
  });
  const password = field("Password", {
    kind: "password",
    autocomplete: "current-password",
    required: true,
    maxlength: 1024,
  });
  const device = field("Workstation", {
    value: workstation(),
    maxlength: 100,
    autocomplete: "off",
    hint: "Shown in your list of sessions, for example “Ward 7, desk 2”.",
  });
  const fault = h("div", { role: "alert" });
  const button = h(
    "button",
    { class: "button button-primary button-wide", type: "submit" },
    "Log in",
  );
  const submit = async () => {
    const [name, secret, place] = [email, password, device].map((each) => each.input.value);
    email.fault(name?.trim() ? "" : "Type your e-mail address.");
    password.fault(secret ? "" : "Type your password.");
    if (!name?.trim() || !secret) return (name?.trim() ? password : email).input.focus();
    localStorage.setItem(WORKSTATION, place?.trim() ?? "");
    fill(fault);
    try {
      await session.login(name.trim(), secret, { deviceName: place?.trim() || undefined });
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
          h("div", {}, h("h1", {}, "CareLink"), h("p", { class: "soft" }, "Ward workstation")),
        ),
        reason &&
          h(
            "div",
            { class: "notice notice-info", role: "status" },
            h("p", {}, WHY[reason] ?? "Log in to go on."),
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
          email.element,
          password.element,
          device.element,
          button,
        ),
        h(
          "p",
          { class: "small soft" },
          "Every access to a record is logged. Lock the screen when you leave.",
        ),
      ),
    ),
  );
  document.title = "CareLink – log in";
  email.input.focus();
}

/**
 * Say why a login was refused.
 * @param {any} error
 */
export function refused(error) {
  const problem = error?.problem;
  if (problem?.code === "invalid_credentials") return "E-mail or password is wrong.";
  if (problem?.code === "outside_shift") {
    const next = problem.next_shift_starts_at;
    return next
      ? `You are not on shift now. Your next shift starts ${dayTime(next)}; you can log in half an hour before.`
      : "You are not on shift now, and the roster has no further shift of yours.";
  }
  if (problem?.code === "throttled") {
    const until = error.retryAfter
      ? ` at ${clockTime(Date.now() + error.retryAfter * 1000)}`
      : " in a minute";
    return `Too many attempts. Try again${until}.`;
  }
  return explain(error);
}
