// Choosing a password: where somebody else knows the present one, by a one-time code, and whenever
// somebody wants to.

import { passwordForm, refused, showCard } from "./card.js";
import { busy, date, dayTime, field, fill, h, openDialog, toast } from "./ui.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./ui.js").Field} Field */

const RULES =
  "At least 15 characters. A few words that do not belong together are easy to remember; capitals, digits and signs are not asked for.";

/**
 * Return whether a login was refused only because the password must be changed first.
 * @param {any} error
 */
export const needsNewPassword = (error) => error?.problem?.code === "password_change_required";

/**
 * Fields for a new password, typed twice or shown.
 * @param {string} label
 */
function newPassword(label = "New password") {
  const shared = { kind: "password", autocomplete: "new-password", required: true, maxlength: 1024 };
  const first = field(label, { ...shared, hint: RULES });
  const again = field(`${label} once more`, shared);
  const shows = h("input", { type: "checkbox", on: { change: () => show(shows.checked) } });
  const show = (/** @type {boolean} */ seen) => {
    for (const { input } of [first, again]) input.setAttribute("type", seen ? "text" : "password");
  };
  return {
    first,
    elements: [
      first.element,
      again.element,
      h("label", { class: "row small" }, shows, "Show what I type"),
    ],
    /** Return what was typed, or an empty text where it is missing or differs. */
    read() {
      const typed = first.input.value;
      first.fault(typed ? "" : "Type a new password.");
      const differs = typed && again.input.value !== typed;
      again.fault(differs ? "This is not the same as above." : "");
      if (!typed) first.input.focus();
      else if (differs) again.input.focus();
      return differs ? "" : typed;
    },
    /**
     * Say at the field what is wrong with the password. Throws what is about something else.
     * @param {any} error
     */
    explain(error) {
      const faults = error?.problem?.errors?.new_password;
      if (!Array.isArray(faults)) throw error;
      first.fault(faults.join(" "));
      first.input.focus();
    },
  };
}

/**
 * Ask for a new password in place of the card that has asked for the present one.
 * @param {Element} root
 * @param {string} whose  an e-mail, for the person and for password managers
 * @param {(next: string) => Promise<unknown>} login  with the new password beside the present one
 * @param {() => void} back
 */
export function chooseAtLogin(root, whose, login, back) {
  const next = newPassword();
  const submit = async () => {
    const typed = next.read();
    if (typed) await login(typed).catch(next.explain);
  };
  showCard(
    root,
    "Choose a password",
    whose,
    h("p", {}, "Somebody else knows the present one. Choose your own to go on: nobody but you will know it."),
    passwordForm("Change it and log in", next.first, [username(whose), ...next.elements], submit),
    backButton(back),
  );
  next.first.input.focus();
}

/**
 * Ask for a one-time code and a new password; then log in.
 * @param {Element} root
 * @param {Session} session
 * @param {string} known  the e-mail, where it was typed already
 * @param {string | undefined} deviceName
 * @param {(done?: string) => void} back  to the login; with a sentence where the password is changed
 */
export function showCodeCard(root, session, known, deviceName, back) {
  const email = field("E-mail", { kind: "email", autocomplete: "username", required: true, maxlength: 254, value: known });
  const code = field("One-time code", {
    autocomplete: "one-time-code",
    autocapitalize: "characters",
    spellcheck: "false",
    required: true,
    maxlength: 64,
    placeholder: "ABCD-1234-EFGH-5678",
    hint: "Capitals and dashes do not matter.",
  });
  const next = newPassword();
  const submit = async () => {
    const [name, typed] = [email.input.value.trim(), code.input.value.trim()];
    email.fault(name ? "" : "Type your e-mail address.");
    code.fault(typed ? "" : "Type the code.");
    if (!name || !typed) return (name ? code : email).input.focus();
    const chosen = next.read();
    if (!chosen) return undefined;
    try {
      await session.resetPassword(name, typed, chosen);
    } catch (error) {
      if (/** @type {any} */ (error)?.problem?.code !== "invalid_credentials") return next.explain(error);
      code.fault("This code is not good for this e-mail. It may be used, expired, or mistyped.");
      return code.input.focus();
    }
    await session.login(name, chosen, { deviceName }).catch((error) => back(`Your password is changed. ${refused(error)}`));
    return undefined;
  };
  showCard(
    root,
    "New password",
    "With a one-time code",
    h("p", {}, "Your administrator makes sure who you are, and gives you a code that works once."),
    passwordForm("Change it and log in", next.first, [email.element, code.element, ...next.elements], submit),
    backButton(back),
  );
  (known ? code : email).input.focus();
}

/**
 * Open the dialog in which somebody changes their own password.
 * @param {Session} session
 */
export function changePassword(session) {
  const current = field("Present password", { kind: "password", autocomplete: "current-password", required: true, maxlength: 1024 });
  const next = newPassword();
  const fault = h("div", { role: "alert" });
  const since = h("p", { class: "soft small" });
  const button = h("button", { class: "button button-primary", type: "submit" }, "Change password");
  const submit = async () => {
    fill(fault);
    current.fault(current.input.value ? "" : "Type your present password.");
    if (!current.input.value) return current.input.focus();
    const chosen = next.read();
    if (!chosen) return undefined;
    try {
      await session.changePassword(current.input.value, chosen).catch(next.explain);
    } catch (error) {
      return sayWhy(error);
    }
    if (next.first.input.getAttribute("aria-invalid")) return undefined;
    dialog.close();
    toast("Your password is changed. Your sessions on other devices have ended.");
    return undefined;
  };
  const sayWhy = (/** @type {any} */ error) => {
    if (error?.name === "SessionEnded") return undefined; // the page shows that by itself
    if (error?.problem?.code === "invalid_credentials") {
      current.fault("This is not your present password.");
      return current.input.focus();
    }
    return fill(fault, h("div", { class: "notice notice-bad" }, h("p", {}, refused(error))));
  };
  const dialog = openDialog({
    title: "Change password",
    body: h("div", { class: "stack" }, since, fault, username(session.state.user?.email ?? ""), current.element, next.elements),
    actions: [
      h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel"),
      button,
    ],
    onSubmit: () => busy(button, submit),
  });
  current.input.focus();
  sayWhen(session, since);
}

/**
 * Say when the password was last changed: who has not done it then must know (ASVS 6.3.7).
 * @param {Session} session
 * @param {Element} place
 */
async function sayWhen(session, place) {
  const answer = await session.fetch("/api/auth/me/").catch(() => null);
  if (!answer?.ok) return; // only a courtesy
  const { password_changed_at: at } = await answer.json();
  const when = new Date(at).toDateString() === new Date().toDateString() ? `today at ${dayTime(at)}` : `on ${date(at)}`;
  fill(place, `Last changed ${when}. If that was not you, tell your administrator.`);
}

/** @param {string} whose */
const username = (whose) =>
  h("input", { type: "email", autocomplete: "username", value: whose, hidden: true, readonly: true });

/** @param {() => void} back */
const backButton = (back) =>
  h("p", {}, h("button", { class: "button button-quiet button-small", type: "button", on: { click: () => back() } }, "Back to the login"));
