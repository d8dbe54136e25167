// A stay: somebody is admitted, moves to another bed or unit, and is discharged.

import { ask, field, h, toast } from "../ui.js";
import { formDialog } from "./forms.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./chart.js").Shown} Shown */
/** @typedef {{id: number, name: string}} Unit */

/**
 * Open the record of somebody new, and show it.
 * @param {Desk} desk
 */
export async function admitSomebody(desk) {
  const units = await unitsFor(desk);
  if (!units) return;
  const fields = {
    mrn: field("MRN", { maxlength: 20, autocomplete: "off", autocapitalize: "characters", spellcheck: "false" }),
    name: field("Name", { maxlength: 200, autocomplete: "off" }),
    birth_date: field("Born", { kind: "date", hint: "Leave empty where nobody knows it." }),
    ...placeFields(units, null, null),
  };
  const made = await formDialog(desk, {
    title: "Admit somebody new",
    draft: "admission new",
    fields,
    body: [
      h("p", { class: "soft" }, "Has the patient been here before? Then find the record by its MRN."),
      ...Object.values(fields).map((each) => each.element),
    ],
    yes: "Admit",
    check: (values) => ({
      ...(/^[A-Z0-9][A-Z0-9-]{2,18}[A-Z0-9]$/.test(mrnOf(values)) ? {} : { mrn: "4 to 20 letters, digits and hyphens." }),
      ...(values.name?.trim() ? {} : { name: "Type the name." }),
    }),
    send: (values, key) =>
      desk.api.send(
        "POST",
        "/api/patients/",
        { mrn: mrnOf(values), name: values.name, birth_date: values.birth_date || null, ...placeOf(values) },
        { key },
      ),
    explain: refusal,
  });
  if (!made) return;
  desk.go({ name: "chart", patientId: made.id });
  desk.whenAwake(() => toast(`${made.name} is admitted.`));
}

/**
 * Begin another stay, or change the place of this one.
 * @param {Shown} shown
 */
export async function place({ desk, chart }) {
  const { patient } = chart;
  const here = isHere(patient);
  const units = await unitsFor(desk, here ? patient.unit : null);
  if (!units) return undefined;
  const fields = placeFields(units, patient.unit?.id ?? null, here ? patient.bed : null);
  const path = `/api/patients/${patient.id}/`;
  const { version } = patient;
  const done = await formDialog(desk, {
    title: here ? "Move" : "Admit again",
    about: h("p", { class: "strip" }, h("strong", {}, patient.name), h("span", {}, patient.mrn)),
    fields,
    body: Object.values(fields).map((each) => each.element),
    yes: here ? "Move" : "Admit",
    send: (values) => {
      const { unit_id, bed } = placeOf(values);
      if (!here) return desk.api.send("POST", `${path}admit/`, { unit_id, bed }, { version });
      const change = unit_id === patient.unit?.id ? { bed } : { unit_id, bed };
      return desk.api.send("PATCH", path, change, { version });
    },
    explain: refusal,
  });
  if (done) desk.whenAwake(() => toast(here ? "Moved." : `${patient.name} is admitted.`));
  return done;
}

/**
 * @param {Shown} shown
 */
export async function discharge({ desk, chart }) {
  const { patient } = chart;
  const sure = await ask({
    title: `Discharge ${patient.name}?`,
    text: "The stay ends now and the bed is free. The unit completes the record within a day.",
    yes: "Discharge",
  });
  if (!sure) return undefined;
  return desk.attempt(async () => {
    await desk.api.send("POST", `/api/patients/${patient.id}/discharge/`, undefined, { version: patient.version });
    desk.whenAwake(() => toast(`${patient.name} is discharged.`));
    return true;
  });
}

/**
 * Answer for a patient whom nobody who is on shift answers for; else the API says so.
 * @param {Shown} shown
 */
export async function take({ desk, chart }) {
  return desk.attempt(async () => {
    await desk.api.send("POST", `/api/patients/${chart.patient.id}/owner/`);
    desk.whenAwake(() => toast(`You now answer for ${chart.patient.name}.`));
    return true;
  });
}

/**
 * @param {{admitted_at: string | null, discharged_at: string | null}} patient
 */
export const isHere = (patient) => Boolean(patient.admitted_at) && !patient.discharged_at;

/**
 * Return where the user may admit: a nurse where she is on shift. Null where it is not known.
 * @param {Desk} desk
 * @param {Unit | null} [present]  from where somebody moves, anywhere
 * @returns {Promise<Unit[] | null>}
 */
async function unitsFor(desk, present = null) {
  const { unit } = desk.clock;
  if (desk.user.user_type === "nurse" && unit && !present) return [unit];
  const page = await desk.attempt(() => desk.api.get("/api/units/?page_size=200"));
  return page ? /** @type {any} */ (page).items : null;
}

/**
 * @param {Unit[]} units
 * @param {number | null} unitId
 * @param {string | null} bed
 */
const placeFields = (units, unitId, bed) => ({
  unit_id: field("Unit", {
    kind: "select",
    options: units.map(({ id, name }) => /** @type {[string, string]} */ ([String(id), name])),
    value: String(units.some(({ id }) => id === unitId) ? unitId : (units[0]?.id ?? "")),
  }),
  bed: field("Bed", { maxlength: 10, autocomplete: "off", value: bed ?? "", hint: "May stay empty." }),
});

/** @param {Record<string, string>} values */
const placeOf = (values) => ({ unit_id: Number(values.unit_id), bed: values.bed?.trim() || null });

/** @param {Record<string, string>} values */
const mrnOf = (values) => (values.mrn ?? "").trim().toUpperCase();

/**
 * @param {any} error
 * @returns {string | Record<string, string> | null}
 */
function refusal(error) {
  const code = error?.problem?.code;
  if (code === "mrn_taken") return { mrn: "There is a record with this MRN: find it by the MRN." };
  if (code === "bed_taken") return { bed: "Somebody lies in that bed." };
  if (error?.status === 412) return "The record has been changed meanwhile. Close this and look at it first.";
  return code === "forbidden" ? "You may admit only where you are on shift." : null;
}
