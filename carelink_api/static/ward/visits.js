// A patient's appointments: what is to come and what was lately, booked and closed here.

import { clockTime, date, dayTime, field, h, toast } from "../ui.js";
import { formDialog } from "./forms.js";
import { MISTAKES, VISITS } from "./words.js";

/** @typedef {import("./chart.js").Shown} Shown */
/** @typedef {import("./board.js").Person} Person */
/** @typedef {{id: number, starts_at: string, ends_at: string, status: string, description: string, doctor: Person,
 *   version: number}} Visit */

/** As long as the service takes it back. */
const UNDONE_WITHIN = 7 * 24 * 3600_000;
const MINUTE = 60_000;

/** @param {Shown} shown */
export function visits(shown) {
  const { chart, desk, again } = shown;
  const book = chart.may.includes("book") && doctorsOf(shown).length > 0;
  if (!chart.appointments.length && !book) return null;
  const click = async () => {
    if (await bookVisit(shown)) await again();
  };
  return h(
    "section",
    { class: "card", "aria-label": "Appointments" },
    h(
      "div",
      { class: "card-head" },
      h("h2", {}, "Appointments"),
      book && h("button", { id: "book", class: "button button-small", type: "button", on: { click } }, "Book …"),
    ),
    chart.appointments.length
      ? h("ul", { class: "visits" }, chart.appointments.map((visit) => line(shown, visit)))
      : h("p", { class: "soft" }, `None in the last 30 days, and none to come${desk.user.user_type === "patient" ? " for you" : ""}.`),
  );
}

/**
 * @param {Shown} shown
 * @param {Visit} visit
 */
function line(shown, visit) {
  const [status, kind] = VISITS[visit.status] ?? [visit.status, ""];
  const acts = actsOf(shown, visit);
  return h(
    "li",
    {},
    h(
      "div",
      { class: "row row-between" },
      h("strong", {}, `${dayTime(visit.starts_at)}–${clockTime(visit.ends_at)}`),
      h("span", { class: `badge ${kind}` }, status),
    ),
    h("p", {}, visit.description, h("span", { class: "soft small" }, ` with ${visit.doctor.name}`)),
    acts.length > 0 &&
      h(
        "div",
        { class: "row" },
        acts.map(([text, act]) =>
          h(
            "button",
            {
              class: "link-button small",
              type: "button",
              "aria-label": `${text}: ${visit.description}, ${date(visit.starts_at)} ${clockTime(visit.starts_at)}`,
              on: { click: act },
            },
            text,
          ),
        ),
      ),
  );
}

/**
 * Return what may be done with one now, as the service decides it.
 * @param {Shown} shown
 * @param {Visit} visit
 * @returns {[string, () => Promise<void>][]}
 */
function actsOf(shown, visit) {
  const { desk, chart, again } = shown;
  const now = desk.session.now();
  const [write, book] = ["write", "book"].map((each) => chart.may.includes(each));
  const close = (/** @type {string} */ way, /** @type {string} */ words) => () =>
    closeVisit(shown, visit, way, words);
  /** @type {[string, () => Promise<void>][]} */
  const acts = [];
  if (visit.status === "booked") {
    const begun = now >= Date.parse(visit.starts_at);
    if (begun && write) {
      acts.push(["Took place", close("fulfil", "Noted: it took place.")]);
      acts.push(["Did not come", close("no-show", "Noted: the patient did not come.")]);
    }
    if (book) acts.push(["Cancel", close("cancel", "Cancelled.")]);
  } else if (write && ["fulfilled", "noshow"].includes(visit.status)) {
    const undo = async () => {
      if (await undoVisit(desk, visit)) await again();
    };
    if (now < Date.parse(visit.ends_at) + UNDONE_WITHIN) acts.push(["Undo …", undo]);
  }
  return acts;
}

/**
 * @param {Shown} shown
 * @param {Visit} visit
 * @param {string} way
 * @param {string} words
 */
async function closeVisit({ desk, again }, visit, way, words) {
  await desk.attempt(async () => {
    await desk.api.send("POST", `/api/appointments/${visit.id}/${way}/`, undefined, { version: visit.version });
    desk.whenAwake(() => toast(words));
  });
  await again();
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {Visit} visit
 */
function undoVisit(desk, visit) {
  const reason = field("Why?", { kind: "select", options: [["", "Choose …"], ...MISTAKES] });
  return formDialog(desk, {
    title: "Undo",
    fields: { reason_code: reason },
    body: [
      h("p", {}, `“${visit.description}”, ${dayTime(visit.starts_at)}, is booked again. Say then what became of it.`),
      reason.element,
    ],
    yes: "Book again",
    check: (values) => (values.reason_code ? null : { reason_code: "Choose a reason." }),
    send: (values) =>
      desk.api.send("POST", `/api/appointments/${visit.id}/reopen/`, values, { version: visit.version }),
  });
}

/**
 * Return the doctors whom one can book: who looks after the patient, and oneself.
 * @param {Shown} shown
 * @returns {Person[]}
 */
function doctorsOf({ desk, chart }) {
  const team = chart.care_team.filter((member) => member.role !== "nurse");
  const self = desk.user.user_type === "doctor" ? [desk.user] : [];
  const seen = chart.appointments.map((visit) => visit.doctor);
  return [...new Map([...self, ...team, ...seen].map((each) => [each.id, each])).values()];
}

/** @param {Shown} shown */
async function bookVisit(shown) {
  const { desk, chart } = shown;
  const doctors = doctorsOf(shown).map(({ id, name }) => /** @type {[string, string]} */ ([String(id), name]));
  const fields = {
    doctor_id: field("With", { kind: "select", options: doctors }),
    starts_at: field("Starts", { kind: "datetime-local" }),
    minutes: field("Lasts", { kind: "select", options: [["15", "15 min"], ["30", "30 min"], ["45", "45 min"], ["60", "1 hour"]], value: "30" }),
    description: field("What for", { maxlength: 200, autocomplete: "off" }),
  };
  const made = await formDialog(desk, {
    title: "Book an appointment",
    draft: `visit ${chart.patient.id}`,
    fields,
    body: Object.values(fields).map((each) => each.element),
    yes: "Book",
    check: (values) => ({
      ...(Number.isNaN(Date.parse(values.starts_at ?? "")) ? { starts_at: "Say when it starts." } : {}),
      ...(values.description?.trim() ? {} : { description: "Say what it is for." }),
    }),
    send: (values, key) => {
      const starts = Date.parse(values.starts_at ?? "");
      const body = {
        patient_id: chart.patient.id,
        doctor_id: Number(values.doctor_id),
        starts_at: new Date(starts).toISOString(),
        ends_at: new Date(starts + Number(values.minutes) * MINUTE).toISOString(),
        description: values.description?.trim(),
      };
      return desk.api.send("POST", "/api/appointments/", body, { key });
    },
    explain: (error) =>
      error?.problem?.code === "double_booked" ? { starts_at: "The doctor has another appointment then." } : null,
  });
  if (made) desk.whenAwake(() => toast("Booked."));
  return made;
}
