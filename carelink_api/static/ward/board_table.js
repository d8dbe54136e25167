// The table of the board: a line for each patient, on a phone a card.

import { ago, clockTime, date, h } from "../ui.js";
import {
  BREATHING,
  DIASTOLIC,
  OXYGEN,
  PULSE,
  SYSTOLIC,
  TEMPERATURE,
  kindOf,
  mark,
  written,
} from "./signs.js";

/** @typedef {import("./signs.js").Sign} Sign */
/** @typedef {import("./board.js").Patient} Patient */

const COLUMNS = [PULSE, BREATHING, OXYGEN, SYSTOLIC, TEMPERATURE];
const SHOWN = [...COLUMNS, DIASTOLIC];
const DUE_AFTER = 6 * 3600 * 1000;
/** What is older than the newest by less was taken in the same round. */
const ONE_ROUND = 15 * 60 * 1000;

/**
 * @param {import("./desk.js").Desk} desk
 * @param {Patient[]} patients
 * @param {boolean} several  whether they are in several units
 * @param {number} now
 */
export function table(desk, patients, several, now) {
  const signs = COLUMNS.map((code) => kindOf(code));
  return h(
    "div",
    { class: "table-wrap" },
    h(
      "table",
      { class: "table-hover table-cards board" },
      h("caption", { class: "hidden-visually" }, "Patients and their latest vital signs"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Bed"),
          h("th", { scope: "col" }, "Patient"),
          signs.map((kind) =>
            h(
              "th",
              { scope: "col", class: "number", title: kind.name },
              kind.short,
              " ",
              h("span", { class: "unit" }, kind.unit),
            ),
          ),
          h("th", { scope: "col" }, "Measured"),
          h("th", { scope: "col" }, "Nurse"),
        ),
      ),
      h(
        "tbody",
        {},
        patients.map((patient) => row(desk, patient, several, now)),
      ),
    ),
  );
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {Patient} patient
 * @param {boolean} several
 * @param {number} now
 */
function row(desk, patient, several, now) {
  const open = () => desk.go({ name: "chart", patientId: patient.id });
  const { pending_handoff: handoff, owner } = patient;
  const name = h(
    "button",
    {
      class: "patient-link",
      type: "button",
      dataset: { patient: String(patient.id) },
      on: {
        click: (/** @type {Event} */ event) => {
          event.stopPropagation();
          open();
        },
      },
    },
    patient.name,
  );
  return h(
    "tr",
    { on: { click: open } },
    h(
      "td",
      { class: "bed" },
      h("span", { class: "hidden-visually wide-hide" }, "Bed "),
      patient.bed ?? "–",
      several && h("span", { class: "soft small" }, patient.unit?.name ?? ""),
    ),
    h(
      "th",
      { scope: "row", class: "who" },
      name,
      h(
        "span",
        { class: "soft small nowrap" },
        [years(patient.birth_date, now), patient.mrn].filter(Boolean).join(" · "),
      ),
      [...desk.drafts.keys()].some((key) => key.endsWith(` ${patient.id}`)) &&
        h("span", { class: "badge badge-warn" }, "unsaved draft"),
      patient.discharged_at &&
        h("span", { class: "badge" }, `Discharged ${clockTime(patient.discharged_at)}`),
    ),
    COLUMNS.map((code) =>
      h("td", { class: "number", "data-label": kindOf(code).short }, value(patient.latest, code)),
    ),
    h("td", { "data-label": "Measured" }, measured(patient.latest, now)),
    h(
      "td",
      { "data-label": "Nurse" },
      h(
        "span",
        { class: "nurse" },
        owner
          ? owner.id === desk.user.id
            ? h("span", { class: "strong" }, "You")
            : owner.name
          : h("span", { class: "soft" }, "nobody yet"),
        handoff &&
          h(
            "span",
            { class: "badge badge-info" },
            handoff.given_by.id === desk.user.id ? "Handed over" : "To accept",
          ),
      ),
    ),
  );
}

/**
 * @param {Sign[]} signs
 * @param {string} code
 */
function value(signs, code) {
  const sign = signs.find((each) => each.code === code);
  if (!sign) return h("span", { class: "soft", "aria-label": "not measured" }, "–");
  const { score, high } = mark(code, sign.value);
  const below = code === SYSTOLIC ? signs.find((each) => each.code === DIASTOLIC) : undefined;
  const text = written(code, sign.value) + (below ? `/${written(DIASTOLIC, below.value)}` : "");
  return h(
    "span",
    { class: `sign sign-${score}` },
    score > 0 && h("span", { "aria-hidden": "true", class: "sign-arrow" }, high ? "▲" : "▼"),
    text,
    score > 0 && h("span", { class: "hidden-visually" }, high ? " high" : " low"),
  );
}

/**
 * Say when what the line shows was measured, and how old the oldest of it is if not of one round.
 * @param {Sign[]} signs
 * @param {number} now
 */
function measured(signs, now) {
  const times = signs
    .filter((sign) => SHOWN.includes(sign.code))
    .map((sign) => Date.parse(sign.effective_at));
  if (!times.length) return h("span", { class: "soft" }, "–");
  const [newest, oldest] = [Math.max(...times), Math.min(...times)];
  return h(
    "span",
    { class: "measured" },
    when(newest, now, ago(newest, now), ""),
    newest - oldest > ONE_ROUND && when(oldest, now, `oldest ${ago(oldest, now)}`, "small "),
  );
}

/**
 * @param {number} at
 * @param {number} now
 * @param {string} text
 * @param {string} size
 */
function when(at, now, text, size) {
  return h(
    "time",
    {
      datetime: new Date(at).toISOString(),
      title: `${date(at)}, ${clockTime(at)}`,
      class: `nowrap ${size}${now - at > DUE_AFTER ? "due" : size && "soft"}`,
    },
    text,
  );
}

/**
 * Return somebody's age in years.
 * @param {string | null} born
 * @param {number} now
 */
export function years(born, now) {
  if (!born) return "";
  const [day, birth] = [new Date(now), new Date(`${born}T00:00:00`)];
  const had =
    day.getMonth() > birth.getMonth() ||
    (day.getMonth() === birth.getMonth() && day.getDate() >= birth.getDate());
  return `${day.getFullYear() - birth.getFullYear() - (had ? 0 : 1)} y`;
}
