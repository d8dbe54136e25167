// Dialogs in which somebody writes. What is typed becomes a draft at once, kept in memory until it
// is sent, dropped, or its author logs out.

import { refused } from "../entry.js";
import { busy, explain, field, fill, h, openDialog } from "../ui.js";
import { isOver } from "./api.js";

/** @typedef {Record<string, import("../ui.js").Field>} Fields */
/** @typedef {Record<string, string>} Values */
/** @typedef {{name: string, mrn: string, birth_date: string | null, bed: string | null}} About */

/**
 * @typedef {object} Form
 * @property {string} title
 * @property {Node | false | null} [about]  whom it is about
 * @property {string} [draft]  the draft's name; without one nothing is kept
 * @property {Fields} fields
 * @property {(Node | string | false | null)[]} body
 * @property {string} yes
 * @property {boolean} [danger]
 * @property {string} [className]
 * @property {(values: Values) => Record<string, string> | null} [check]  what is wrong, by field
 * @property {(values: Values, key: string) => Promise<unknown>} send  `key` names what is sent, so that it may
 *   be sent again
 * @property {(error: any) => string | Record<string, string> | null} [explain]
 */

/**
 * Open a dialog with fields; it closes when `send` has worked.
 * @param {import("./desk.js").Desk} desk
 * @param {Form} form
 * @returns {Promise<any>}  what `send` returned; undefined where it was dismissed
 */
export async function formDialog(desk, form) {
  const { title, about = null, draft, fields, body, yes, danger, className = "" } = form;
  const fault = h("div", { role: "alert" });
  const save = button(yes, danger ? "button-danger" : "button-primary");
  const key = keyOf(desk, draft);
  const dialog = openDialog({
    title,
    className,
    onSubmit: () => {
      busy(save, () => submit(desk, form, key, fault, dialog.close));
    },
    body: [about, fault, ...body],
    actions: [
      draft && button("Discard", "button-quiet push-left", () => drop(desk, draft, dialog.close)),
      button(draft ? "Keep draft" : "Cancel", "", () => dialog.close()),
      save,
    ],
  });
  if (draft) keepDraft(desk, draft, fields, dialog.element);
  const inputs = Object.values(fields).map((each) => each.input);
  (inputs.find((each) => !each.value) ?? inputs[0])?.focus();
  return dialog.closed;
}

/**
 * @param {string} text
 * @param {string} way
 * @param {() => void} [click]  without one it submits
 */
const button = (text, way, click) =>
  h(
    "button",
    {
      class: `button ${way}`,
      type: click ? "button" : "submit",
      on: click ? { click } : {},
    },
    text,
  );

/**
 * @param {import("./desk.js").Desk} desk
 * @param {Form} form
 * @param {string} key
 * @param {Element} fault
 * @param {(answer: unknown) => void} close
 */
async function submit(desk, form, key, fault, close) {
  const { draft, fields, check = () => null, send, explain: own = () => null } = form;
  const values = read(fields);
  blame(fields, fault, {});
  const wrong = check(values);
  if (wrong && Object.keys(wrong).length) return blame(fields, fault, wrong);
  try {
    const answer = await send(values, key);
    if (draft) forget(desk, draft);
    close(answer ?? true);
  } catch (error) {
    if (!isOver(error)) blame(fields, fault, own(error) ?? byField(error) ?? unsaved(error));
  }
  return undefined;
}

/**
 * Say what is wrong: in a sentence, or by field.
 * @param {Fields} fields
 * @param {Element} fault
 * @param {string | Record<string, string>} what
 */
function blame(fields, fault, what) {
  const notice = (/** @type {string} */ words) =>
    h("div", { class: "notice notice-bad" }, h("p", {}, words));
  if (typeof what === "string") return fill(fault, notice(what));
  for (const [name, each] of Object.entries(fields)) each.fault(what[name] ?? "");
  const first = Object.keys(fields).find((name) => what[name]);
  if (first) fields[first]?.input.focus();
  const other = Object.entries(what).find(([name]) => !fields[name]);
  return fill(fault, other && notice(other[1]));
}

/**
 * Return what names a form's request. A draft that is opened again is the same request still: its
 * first answer may have been lost.
 * @param {import("./desk.js").Desk} desk
 * @param {string} [draft]
 */
function keyOf(desk, draft) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const fresh = Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
  if (!draft) return fresh;
  const key = desk.keys.get(draft) ?? fresh;
  desk.keys.set(draft, key);
  return key;
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {string} draft
 */
function forget(desk, draft) {
  desk.drafts.delete(draft);
  desk.keys.delete(draft);
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {string} draft
 * @param {() => void} close
 */
function drop(desk, draft, close) {
  forget(desk, draft);
  close();
}

/**
 * @param {Fields} fields
 * @returns {Values}
 */
const read = (fields) =>
  Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, each.input.value]));

/**
 * @param {import("./desk.js").Desk} desk
 * @param {string} draft
 * @param {Fields} fields
 * @param {HTMLElement} element
 */
function keepDraft(desk, draft, fields, element) {
  const begun = read(fields);
  for (const [name, text] of Object.entries(desk.drafts.get(draft) ?? {})) {
    const known = fields[name];
    if (known) known.input.value = text;
  }
  element.addEventListener("input", () => {
    const typed = read(fields);
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
  if (error?.problem?.code === "idempotency_key_reused")
    return "What you sent first has been saved already, as the chart shows. Discard this, or amend what is there.";
  return error?.name === "Unreachable"
    ? "CareLink does not answer at the moment. What you typed is kept. Press again in a few seconds: it is saved once, even if it has arrived."
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
