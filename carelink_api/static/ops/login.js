// The way in: login, lock screen, and the word for who does not operate.

import { refused } from "../ward/login.js";
import { LOCKED, WHY } from "../ward/words.js";
import { busy, field, fill, h } from "../ui.js";

/** @typedef {import("../session.js").Session} Session */

/**
 * Show the login.
 * @param {Element} root
 * @param {Session} session
 * @param {string | null} reason  why an earlier session is over
 */
export function showLogin(root, session, reason) {
  const email = field("E-mail", {
    kind: "email",
    autocomplete: "username",
    required: true,
    maxlength: 254,
  });
  const password = passwordField();
  const form = passwordForm("Log in", [email.element, password.element], async () => {
    const [name, secret] = [email.input.value.trim(), password.input.value];
    email.fault(name ? "" : "Type your e-mail address.");
    password.fault(secret ? "" : "Type your password.");
    if (!name || !secret) return;
    await session.login(name, secret, { deviceName: "Operations console" });
  });
  card(root, "CareLink", "Operations console", [
    reason && h("div", { class: "notice notice-info", role: "status" }, h("p", {}, WHY[reason] ?? "Log in to go on.")),
    form,
    h("p", { class: "small soft" }, "For operators, and for administrators who review emergencies. What is done here is logged."),
  ]);
  document.title = "CareLink operations – log in";
  email.input.focus();
}

/**
 * Show the lock screen.
 * @param {Element} root
 * @param {Session} session
 */
export function showLock(root, session) {
  const { user, reason } = session.state;
  const password = passwordField();
  const form = passwordForm("Unlock", [password.element], async () => {
    password.fault(password.input.value ? "" : "Type your password.");
    if (password.input.value) await session.reauthenticate(password.input.value);
  });
  card(root, "Locked", user?.name ?? "", [
    h("p", {}, LOCKED[reason ?? ""] ?? WHY[reason ?? ""] ?? "Your password goes on where you were."),
    form,
    leaveRow(session),
  ]);
  document.title = "CareLink operations – locked";
  password.input.focus();
}

/**
 * Say that this account has nothing to do here.
 * @param {Element} root
 * @param {Session} session
 */
export function showStranger(root, session) {
  const { user } = session.state;
  card(root, "Not for this account", user?.email ?? "", [
    h("p", {}, "The operations console is for operators, and for administrators who review emergencies."),
    h("p", {}, h("a", { href: "/" }, "Go to the ward workstation")),
    leaveRow(session),
  ]);
  document.title = "CareLink operations";
}

const passwordField = () =>
  field("Password", { kind: "password", autocomplete: "current-password", required: true, maxlength: 1024 });

/**
 * @param {string} label
 * @param {Node[]} fields
 * @param {() => Promise<void>} act
 */
function passwordForm(label, fields, act) {
  const fault = h("div", { role: "alert" });
  const button = h("button", { class: "button button-primary button-wide", type: "submit" }, label);
  const submit = async () => {
    fill(fault);
    try {
      await act();
    } catch (error) {
      fill(fault, h("div", { class: "notice notice-bad" }, h("p", {}, refused(error))));
    }
  };
  const listener = (/** @type {Event} */ event) => {
    event.preventDefault();
    busy(button, submit);
  };
  return h("form", { class: "stack", novalidate: true, on: { submit: listener } }, fields, fault, button);
}

/** @param {Session} session */
function leaveRow(session) {
  return h(
    "div",
    { class: "row row-between" },
    h("p", { class: "small soft" }, "Not you?"),
    h("button", { class: "button button-small", type: "button", on: { click: () => session.logout() } }, "Log out"),
  );
}

/**
 * @param {Element} root
 * @param {string} title
 * @param {string} subtitle
 * @param {import("../ui.js").Child[]} children
 */
function card(root, title, subtitle, children) {
  const brand = h(
    "div",
    { class: "entry-brand" },
    h("img", { src: "/static/icon.svg", alt: "", width: 48, height: 48 }),
    h("div", {}, h("h1", {}, title), h("p", { class: "soft" }, subtitle)),
  );
  fill(root, h("main", { id: "main", class: "entry", tabindex: "-1" }, h("div", { class: "entry-card card stack" }, brand, children)));
}
