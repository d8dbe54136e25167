// What a ward writes into a record: vital signs, notes, handoffs.

import { ask, date, field, h, toast } from "../ui.js";
import { formDialog, strip } from "./forms.js";
import { KINDS } from "./signs.js";
import { CATEGORIES } from "./words.js";

/** @typedef {import("./board.js").Patient} Patient */
/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./chart.js").Note} Note */

const LONGEST_NOTE = 10_000;
const LONGEST_PART = 2000;

/** @param {Patient} patient */
const about = (patient) => strip(patient, patient.birth_date ? date(patient.birth_date) : "");

/**
 * @param {Desk} desk
 * @param {Patient} patient
 */
export async function recordSigns(desk, patient) {
  const inputs = KINDS.map((kind) =>
    field(kind.name, { unit: kind.unit, inputmode: "decimal", autocomplete: "off", maxlength: 7 }),
  );
  const at = field("Measured at", {
    kind: "datetime-local",
    value: localMinute(desk.session.now()),
    max: localMinute(desk.session.now() + 60_000),
  });
  const fields = {
    ...Object.fromEntries(
      KINDS.map((kind, i) => [kind.code, /** @type {import("../ui.js").Field} */ (inputs[i])]),
    ),
    at,
  };
  const made = await formDialog(desk, {
    title: "Record vital signs",
    about: about(patient),
    draft: `signs ${patient.id}`,
    className: "dialog-wide",
    fields,
    body: [
      h(
        "div",
        { class: "grid grid-signs" },
        inputs.map((each) => each.element),
      ),
      h("div", { class: "grid grid-signs" }, at.element),
    ],
    yes: "Save",
    check,
    send: (values, key) =>
      desk.api.send(
        "POST",
        `/api/patients/${patient.id}/observations/`,
        { items: measured(values) },
        { key },
      ),
    explain: bySign,
  });
  if (made) desk.whenAwake(() => toast(`Saved for ${patient.name}.`));
  return made;
}

/** @param {string} text */
const number = (text) => Number(text.trim().replace(",", "."));

/**
 * @param {Record<string, string>} values
 * @returns {Record<string, string> | null}
 */
function check(values) {
  /** @type {Record<string, string>} */
  const wrong = {};
  const typed = KINDS.filter((kind) => values[kind.code]?.trim());
  for (const { code, least, most, unit } of typed) {
    const value = number(values[code] ?? "");
    if (Number.isNaN(value)) wrong[code] = "Type a number.";
    else if (value < least || value > most) wrong[code] = `From ${least} to ${most} ${unit}.`;
  }
  const first = /** @type {import("./signs.js").Kind} */ (KINDS[0]);
  if (!typed.length) wrong[first.code] = "Type at least one value.";
  if (!values.at || Number.isNaN(Date.parse(values.at))) wrong.at = "Say when it was measured.";
  return wrong;
}

/** @param {Record<string, string>} values */
function measured(values) {
  const at = new Date(values.at ?? "").toISOString();
  return sent(values).map((kind) => ({
    code: kind.code,
    value: number(values[kind.code] ?? ""),
    effective_at: at,
  }));
}

/** @param {Record<string, string>} values */
const sent = (values) => KINDS.filter((kind) => values[kind.code]?.trim());

/** @param {any} error */
function bySign(error) {
  const items = error?.problem?.errors?.items;
  if (!items || typeof items !== "object") return null;
  const said = JSON.stringify(items);
  if (said.includes("ahead")) return { at: "That time lies ahead." };
  return "Some of these values cannot be. Nothing was saved.";
}

/**
 * @param {Desk} desk
 * @param {Patient} patient
 */
export async function writeNote(desk, patient) {
  const category = field("Kind", {
    kind: "select",
    options: Object.entries(CATEGORIES),
    value: desk.user.user_type === "nurse" ? "nursing" : "progress",
  });
  const text = field("Note", {
    kind: "textarea",
    rows: 9,
    maxlength: LONGEST_NOTE,
    hint: "Saving signs it with your name. It can be amended, never deleted.",
  });
  const made = await formDialog(desk, {
    title: "Write note",
    about: about(patient),
    draft: `note ${patient.id}`,
    className: "dialog-wide",
    fields: { text, category },
    body: [category.element, text.element],
    yes: "Sign and save",
    check: (values) => (values.text?.trim() ? null : { text: "Write something first." }),
    send: (values, key) =>
      desk.api.send(
        "POST",
        `/api/patients/${patient.id}/notes/`,
        { category: values.category, text: values.text },
        { key },
      ),
  });
  if (made) desk.whenAwake(() => toast(`Signed for ${patient.name}.`));
  return made;
}

/**
 * @param {Desk} desk
 * @param {Patient} patient
 * @param {Note} note
 */
export async function amendNote(desk, patient, note) {
  const text = field("Note", {
    kind: "textarea",
    rows: 9,
    maxlength: LONGEST_NOTE,
    value: note.text,
  });
  const because = field("Why", {
    maxlength: 200,
    hint: "Shown with the new version; the earlier ones stay.",
  });
  const made = await formDialog(desk, {
    title: "Amend note",
    about: about(patient),
    draft: `amend ${note.id}.${note.number} ${patient.id}`,
    className: "dialog-wide",
    fields: { text, because },
    body: [text.element, because.element],
    yes: "Sign and save",
    check: (values) => {
      if (!values.text?.trim()) return { text: "Write something first." };
      return /** @type {Record<string, string>} */ (
        values.because?.trim() ? {} : { because: "Say why it is amended." }
      );
    },
    send: ({ text: now, because: why }, key) =>
      desk.api.send(
        "POST",
        `/api/patients/${patient.id}/notes/${note.id}/amend/`,
        { text: now, because: why },
        { version: note.number, key },
      ),
    explain: (error) =>
      error?.status === 412
        ? "The note has been amended elsewhere meanwhile. Close this and read it first; your text is kept."
        : null,
  });
  if (made) toast("The new version is signed.");
  return made;
}

const PARTS = /** @type {[string, string, string][]} */ ([
  ["situation", "Situation", "What is going on now?"],
  ["background", "Background", "How did it come to this?"],
  ["assessment", "Assessment", "What do you think of it?"],
  ["recommendation", "Recommendation", "What should be done next?"],
]);

/**
 * @param {Desk} desk
 * @param {Patient} patient
 */
export async function giveHandoff(desk, patient) {
  const fields = Object.fromEntries(
    PARTS.map(([name, label, hint]) => [
      name,
      field(label, { kind: "textarea", rows: 3, maxlength: LONGEST_PART, hint }),
    ]),
  );
  const made = await formDialog(desk, {
    title: "Hand over",
    about: about(patient),
    draft: `handoff ${patient.id}`,
    className: "dialog-wide",
    fields,
    body: [
      ...Object.values(fields).map((each) => each.element),
      h("p", { class: "soft small" }, "You answer for the patient until a colleague accepts."),
    ],
    yes: "Hand over",
    check: (values) =>
      Object.fromEntries(
        PARTS.filter(([name]) => !values[name]?.trim()).map(([name]) => [name, "Write something."]),
      ),
    send: (values, key) =>
      desk.api.send("POST", `/api/patients/${patient.id}/handoffs/`, values, { key }),
  });
  if (made) toast("Handed over. A colleague has to accept.");
  return made;
}

/**
 * @param {Desk} desk
 * @param {Patient} patient
 * @param {{id: number}} handoff
 */
export async function acceptHandoff(desk, patient, handoff) {
  await desk.attempt(async () => {
    await desk.api.send("POST", `/api/patients/${patient.id}/handoffs/${handoff.id}/accept/`);
    desk.whenAwake(() => toast(`You now answer for ${patient.name}.`));
  });
}

/**
 * @param {Desk} desk
 * @param {Patient} patient
 * @param {{id: number}} handoff
 */
export async function withdrawHandoff(desk, patient, handoff) {
  if (
    !(await ask({
      title: "Take the handoff back?",
      text: `You go on answering for ${patient.name}.`,
      yes: "Take back",
    }))
  )
    return;
  await desk.attempt(async () => {
    await desk.api.send("POST", `/api/patients/${patient.id}/handoffs/${handoff.id}/withdraw/`);
    toast("Taken back.");
  });
}

/**
 * Return a moment as a `datetime-local` field has it: local time, to the minute.
 * @param {number} at
 */
function localMinute(at) {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
