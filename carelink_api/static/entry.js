// The way into a page: the card with a password field, why somebody stands before it, and how what
// was on the screen is put away while it is locked.

import { passwordForm, refused, showCard } from "./card.js";
import { chooseAtLogin, needsNewPassword, showCodeCard } from "./passwords.js";
import { field, fill, h } from "./ui.js";

export { refused, showCard };

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
 * @param {string} [page.said]  what else there is to say
 * @param {() => string | undefined} page.deviceName
 * @param {Node[]} [page.fields]  more than e-mail and password
 */
export function showLogin(root, session, page) {
  const { subtitle, small, reason, said, deviceName, fields = [] } = page;
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
    const device = deviceName();
    const login = (/** @type {string} */ newPassword) =>
      session.login(name, secret, { deviceName: device, newPassword });
    try {
      await session.login(name, secret, { deviceName: device });
    } catch (error) {
      if (!needsNewPassword(error)) throw error;
      chooseAtLogin(root, name, login, () => showLogin(root, session, page));
    }
    return undefined;
  };
  const back = (/** @type {string | undefined} */ words) =>
    showLogin(root, session, { ...page, reason: null, said: words });
  const byCode = () => showCodeCard(root, session, email.input.value.trim(), deviceName(), back);
  showCard(
    root,
    "CareLink",
    subtitle,
    (said || reason) &&
      h(
        "div",
        { class: "notice notice-info", role: "status" },
        h("p", {}, said ?? WHY[reason ?? ""] ?? "Log in to go on."),
      ),
    passwordForm("Log in", password, [email.element, password.element, ...fields], submit),
    h(
      "div",
      { class: "row row-between" },
      h("p", { class: "small soft" }, "Password forgotten?"),
      h(
        "button",
        { class: "button button-small", type: "button", on: { click: byCode } },
        "I have a one-time code",
      ),
    ),
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
    const secret = password.input.value;
    if (!secret) return;
    const unlock = (/** @type {string} */ newPassword) =>
      session.reauthenticate(secret, { newPassword });
    try {
      await session.reauthenticate(secret);
    } catch (error) {
      if (!needsNewPassword(error)) throw error;
      const back = () => showLock(root, session, { notice, leave });
      chooseAtLogin(root, user?.email ?? "", unlock, back);
    }
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
