// The way into a page: the card with a password field, why somebody stands before it, and how what
// was on the screen is put away while it is locked.

import { busy, clockTime, dayTime, explain, field, fill, h } from "./ui.js";

/** @typedef {import("./ui.js").Child} Child */

/** Why somebody stands before the login, in a sentence. @type {Record<string, string>} */
export const WHY = {
  logged_out: "You have logged out. Nothing of your work is left on this workstation.",
  revoked: "Your session was ended by the hospital or from another device. Log in again to go on.",
  reused:
    "Your session was ended for safety, because an old key of it was used again. Log in again.",
  session_expired: "Your session has reached its longest time. Log in again to go on.",
  idle: "Your session ended because it was not used. Log in again to go on.",
  shift_ended: "Your shift and its handoff time are over, so your session has ended.",
  user_disabled: "Your account has been disabled. Ask your administrator.",
  expired: "Your session could not be renewed in time. Log in again to go on.",
  other_user: "Somebody else has logged in at this workstation, so your session here has ended.",
};

/** Why the screen is locked. @type {Record<string, string>} */
const LOCKED = {
  idle: "Locked because nobody was using it.",
  session_expired: "The session has reached its longest time. Your password starts the next one.",
};

/**
 * Show a card and nothing else.
 * @param {Element} root
 * @param {string} title
 * @param {string} subtitle
 * @param {...(Child | Child[])} children
 */
export function showCard(root, title, subtitle, ...children) {
  const brand = h(
    "div",
    { class: "entry-brand" },
    h("img", { src: "/static/icon.svg", alt: "", width: 48, height: 48 }),
    h("div", {}, h("h1", {}, title), h("p", { class: "soft" }, subtitle)),
  );
  const card = h("div", { class: "entry-card card stack" }, brand, ...children);
  fill(root, h("main", { id: "main", class: "entry", tabindex: "-1" }, card));
}

/** @param {Element} root */
export function showWaiting(root) {
  const words = h(
    "p",
    { class: "row", role: "status" },
    h("span", { class: "spinner", "aria-hidden": "true" }),
    "Connecting to CareLink …",
  );
  fill(root, h("main", { id: "main", class: "entry" }, words));
}

/**
 * Show the login; the focus is in its first field.
 * @param {Element} root
 * @param {import("./session.js").Session} session
 * @param {object} page
 * @param {string} page.subtitle
 * @param {string} page.small  what stands below
 * @param {string | null} page.reason  why an earlier session is over
 * @param {() => string | undefined} page.deviceName
 * @param {Node[]} [page.fields]  more than e-mail and password
 */
export function showLogin(root, session, { subtitle, small, reason, deviceName, fields = [] }) {
  const email = field("E-mail", {
    kind: "email",
    autocomplete: "username",
    required: true,
    maxlength: 254,
  });
  const password = passwordField();
  const submit = async () => {
    const [name, secret] = [email.input.value.trim(), password.input.value];
    email.fault(name ? "" : "Type your e-mail address.");
    password.fault(secret ? "" : "Type your password.");
    if (!name || !secret) return (name ? password : email).input.focus();
    await session.login(name, secret, { deviceName: deviceName() });
    return undefined;
  };
  showCard(
    root,
    "CareLink",
    subtitle,
    reason &&
      h(
        "div",
        { class: "notice notice-info", role: "status" },
        h("p", {}, WHY[reason] ?? "Log in to go on."),
      ),
    passwordForm("Log in", password, [email.element, password.element, ...fields], submit),
    h("p", { class: "small soft" }, small),
  );
  email.input.focus();
}

/**
 * Show the lock screen; the focus is in its password field.
 * @param {Element} root
 * @param {import("./session.js").Session} session
 * @param {{notice?: Child, leave: string}} words
 */
export function showLock(root, session, { notice, leave }) {
  const { user, reason } = session.state;
  const password = passwordField();
  // For password managers: whose password it is.
  const whose = h("input", {
    type: "email",
    autocomplete: "username",
    value: user?.email ?? "",
    hidden: true,
    readonly: true,
  });
  const submit = async () => {
    password.fault(password.input.value ? "" : "Type your password.");
    if (password.input.value) await session.reauthenticate(password.input.value);
  };
  showCard(
    root,
    "Locked",
    user?.name ?? "",
    h("p", {}, LOCKED[reason ?? ""] ?? "Your password goes on where you were."),
    notice,
    passwordForm("Unlock", password, [whose, password.element], submit),
    h("hr", {}),
    leaveRow(session, leave),
  );
  password.input.focus();
}

/**
 * @param {import("./session.js").Session} session
 * @param {string} text
 */
export function leaveRow(session, text) {
  const leave = () => session.logout();
  return h(
    "div",
    { class: "row row-between" },
    h("p", { class: "small soft" }, "Not you?"),
    h("button", { class: "button button-small", type: "button", on: { click: leave } }, text),
  );
}

const passwordField = () =>
  field("Password", {
    kind: "password",
    autocomplete: "current-password",
    required: true,
    maxlength: 1024,
  });

/**
 * @param {string} label
 * @param {import("./ui.js").Field} password
 * @param {Node[]} fields
 * @param {() => Promise<void>} act
 */
function passwordForm(label, password, fields, act) {
  const fault = h("div", { role: "alert" });
  const button = h("button", { class: "button button-primary button-wide", type: "submit" }, label);
  const submit = async () => {
    fill(fault);
    try {
      await act();
    } catch (error) {
      fill(fault, h("div", { class: "notice notice-bad" }, h("p", {}, refused(error))));
      password.input.value = "";
      password.input.focus();
    }
  };
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    busy(button, submit);
  };
  return h(
    "form",
    { class: "stack", novalidate: true, on: { submit: onSubmit } },
    fault,
    fields,
    button,
  );
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
