// Dialogs in which somebody writes. What is typed becomes a draft at once, kept in memory until it
// is sent, dropped, or its author logs out.

import { refused } from "../entry.js";
import { busy, explain, field, fill, h, openDialog } from "../ui.js";
import { isOver } from "./api.js";

/** @typedef {Record<string, import("../ui.js").Field>} Fields */
/** @typedef {Record<string, string>} Values */
/** @typedef {{name: string, mrn: string, birth_date: string | null, bed: string | null}} About */

/**
 * Open a dialog with fields; it closes when `send` has worked.
 * @param {import("./desk.js").Desk} desk
 * @param {object} options
 * @param {string} options.title
 * @param {Node | false | null} [options.about]  whom it is about
 * @param {string} [options.draft]  the draft's name; without one nothing is kept
 * @param {Fields} options.fields
 * @param {(Node | string | false | null)[]} options.body
 * @param {string} options.yes
 * @param {boolean} [options.danger]
 * @param {string} [options.className]
 * @param {(values: Values) => Record<string, string> | null} [options.check]  what is wrong, by field
 * @param {(values: Values) => Promise<unknown>} options.send
 * @param {(error: any) => string | Record<string, string> | null} [options.explain]
 * @returns {Promise<any>}  what `send` returned; undefined where it was dismissed
 */
export async function formDialog(
  desk,
  {
    title,
    about = null,
    draft,
    fields,
    body,
    yes,
    danger = false,
    className = "",
    check = () => null,
    send,
    explain: own = () => null,
  },
) {
  const fault = h("div", { role: "alert" });
  const save = h(
    "button",
    { class: `button ${danger ? "button-danger" : "button-primary"}`, type: "submit" },
    yes,
  );
  const values = () =>
    Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, read(each)]));
  const blame = (/** @type {string | Record<string, string>} */ what) => {
    if (typeof what === "string")
      return fill(fault, h("div", { class: "notice notice-bad" }, h("p", {}, what)));
    for (const [name, each] of Object.entries(fields)) each.fault(what[name] ?? "");
    const first = Object.keys(fields).find((name) => what[name]);
    if (first) fields[first]?.input.focus();
    const other = Object.entries(what).find(([name]) => !fields[name]);
    return fill(fault, other && h("div", { class: "notice notice-bad" }, h("p", {}, other[1])));
  };
  const submit = async () => {
    blame({});
    const wrong = check(values());
    if (wrong && Object.keys(wrong).length) return blame(wrong);
    try {
      const answer = await send(values());
      if (draft) desk.drafts.delete(draft);
      dialog.close(answer ?? true);
    } catch (error) {
      if (!isOver(error)) blame(own(error) ?? byField(error) ?? unsaved(error));
    }
    return undefined;
  };
  const cancel = h(
    "button",
    { class: "button", type: "button", on: { click: () => dialog.close() } },
    draft ? "Keep draft" : "Cancel",
  );
  const drop =
    draft &&
    h(
      "button",
      {
        class: "button button-quiet push-left",
        type: "button",
        on: {
          click: () => {
            desk.drafts.delete(draft);
            dialog.close();
          },
        },
      },
      "Discard",
    );
  const dialog = openDialog({
    title,
    className,
    onSubmit: () => {
      busy(save, submit);
    },
    body: [about, fault, ...body],
    actions: [drop, cancel, save],
  });
  if (draft) keepDraft(desk, draft, fields, dialog.element);
  (
    Object.values(fields).find((each) => !each.input.value) ?? Object.values(fields)[0]
  )?.input.focus();
  return dialog.closed;
}

/** @param {import("../ui.js").Field} each */
function read({ input }) {
  return input.value;
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {string} draft
 * @param {Fields} fields
 * @param {HTMLElement} element
 */
function keepDraft(desk, draft, fields, element) {
  const begun = Object.fromEntries(
    Object.entries(fields).map(([name, each]) => [name, each.input.value]),
  );
  for (const [name, text] of Object.entries(desk.drafts.get(draft) ?? {})) {
    const known = fields[name];
    if (known) known.input.value = text;
  }
  element.addEventListener("input", () => {
    const typed = Object.fromEntries(
      Object.entries(fields).map(([name, each]) => [name, each.input.value]),
    );
    const changed = Object.entries(typed).some(([name, text]) => text !== begun[name]);
    if (changed) desk.drafts.set(draft, typed);
    else desk.drafts.delete(draft);
  });
}

/**
 * Return what the service finds wrong, by field, or null.
 * @param {any} error
 * @returns {Record<string, string> | null}
 */
function byField(error) {
  const errors = error?.problem?.errors;
  if (!errors || typeof errors !== "object") return null;
  return Object.fromEntries(
    Object.entries(errors).map(([name, messages]) => [
      name,
      [messages].flat(3).map(text).join(" "),
    ]),
  );
}

/** @param {unknown} message */
const text = (message) => (typeof message === "string" ? message : "Not possible.");

/** @param {any} error */
function unsaved(error) {
  return error?.name === "Unreachable"
    ? "Not saved yet: CareLink does not answer at the moment. What you typed is kept; try again in a few seconds."
    : explain(error);
}

/**
 * The strip that says whom a form is about: two things that tell patients apart, always in sight.
 * @param {About} patient
 * @param {string} born
 */
export function strip(patient, born) {
  return h(
    "div",
    { class: "strip" },
    h("strong", {}, patient.name),
    h(
      "span",
      {},
      [born && `born ${born}`, patient.mrn, patient.bed && `bed ${patient.bed}`]
        .filter(Boolean)
        .join(" · "),
    ),
  );
}

/**
 * Ask for the password in place; true where the next session has begun.
 * @param {import("./desk.js").Desk} desk
 * @returns {Promise<boolean>}
 */
export async function askPassword(desk) {
  if (document.querySelector("dialog[open].password")) return false;
  const password = field("Password", {
    kind: "password",
    autocomplete: "current-password",
    maxlength: 1024,
  });
  const begun = await formDialog(desk, {
    title: "Enter your password",
    className: "password",
    fields: { password },
    body: [
      h(
        "p",
        {},
        `The next session of ${desk.user.name} begins at once, and this one ends. What you are working on stays as it is.`,
      ),
      password.element,
    ],
    yes: "Go on",
    check: (values) => (values.password ? null : { password: "Type your password." }),
    send: (values) => desk.session.reauthenticate(values.password ?? ""),
    explain: refused,
  });
  return Boolean(begun);
}
