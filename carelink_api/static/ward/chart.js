// One chart: who it is, how the vital signs went, notes, handoff, and who looks after the patient.

import { clockTime, date, dayTime, explain, fill, h } from "../ui.js";
import { accessLog } from "./access_log.js";
import { isOver } from "./api.js";
import { years } from "./board_table.js";
import { notes, pending, team } from "./chart_parts.js";
import { giveBack, showGlass } from "./glass.js";
import { giveHandoff, recordSigns, writeNote } from "./records.js";
import { discharge, isHere, place, take } from "./stay.js";
import { trends } from "./trends.js";
import { showValues } from "./values.js";
import { visits } from "./visits.js";
import { BASES } from "./words.js";

/** @typedef {{id: number, name: string}} Person */
/** @typedef {{id: number, situation: string, background: string, assessment: string, recommendation: string,
 *   given_by: Person, given_at: string}} Handoff */
/** @typedef {{id: number, category: string, text: string, because: string | null, number: number, created_at: string,
 *   signed_by: Person, signed_at: string}} Note */
/** @typedef {{patient: import("./board.js").Patient & {version: number}, appointments: import("./visits.js").Visit[], basis: string, break_glass: {id: number, expires_at: string} | null,
 *   may: string[], since: string, until: string, trends: import("./trends.js").Trend[], notes: Note[],
 *   owner: Person | null, pending_handoff: Handoff | null, care_team: (Person & {role: string})[]}} Chart */
/** @typedef {{desk: import("./desk.js").Desk, chart: Chart, again: () => Promise<void>, redraw: () => unknown}} Shown */

const EVERY_MS = 60_000;
/** What a draft is called, by the button that begins it. @type {Record<string, string>} */
const DRAFTS = { record: "signs", write: "note", give: "handoff" };

/**
 * @param {import("./desk.js").Desk} desk
 * @param {Element} main
 * @param {number} patientId
 * @param {AbortSignal} signal
 */
export function showChart(desk, main, patientId, signal) {
  let hours = 24;
  /** @type {Shown | null} */
  let latest = null;
  document.title = "CareLink – chart";
  fill(
    main,
    back(desk),
    h(
      "div",
      { class: "stack", "aria-busy": "true" },
      h("div", { class: "skeleton skeleton-tall" }),
      h("div", { class: "skeleton skeleton-tall" }),
    ),
  );

  async function refresh(background = false) {
    try {
      const chart = await desk.api.get(`/api/patients/${patientId}/chart/?hours=${hours}`, {
        background,
        signal,
      });
      latest = { desk, chart, again: refresh, redraw: () => latest && draw(latest) };
      draw(latest);
    } catch (error) {
      if (!isOver(error)) refuse(error);
    }
  }

  /** @param {Shown} shown */
  function draw(shown) {
    const at = scrollY;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.id;
    const choose = (/** @type {number} */ chosen) => {
      hours = chosen;
      refresh();
    };
    fill(
      main,
      back(desk),
      head(shown),
      glass(shown),
      pending(shown),
      h(
        "div",
        { class: "split chart" },
        h(
          "section",
          { class: "stack", "aria-label": "Vital signs" },
          trends(shown.chart, hours, choose),
        ),
        h("div", { class: "stack" }, notes(shown), visits(shown), team(shown), accessLog(shown)),
      ),
    );
    scrollTo(0, at);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  /** @param {any} error */
  function refuse(error) {
    if (error?.problem?.code === "break_glass_available") {
      fill(main, back(desk), closed(desk, patientId));
    } else {
      const text = error?.status === 404 ? "This record is not open to you." : explain(error);
      fill(
        main,
        back(desk),
        h("div", { class: "card empty", role: "alert" }, h("strong", {}, text)),
      );
    }
  }

  refresh();
  return { refresh, everyMs: EVERY_MS };
}

/** @param {import("./desk.js").Desk} desk */
function back(desk) {
  return h(
    "p",
    { class: "crumb" },
    h(
      "button",
      {
        class: "link-button",
        type: "button",
        id: "back",
        on: { click: () => desk.go({ name: "board" }) },
      },
      desk.user.user_type === "patient" ? "← My record" : "← All patients",
    ),
  );
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {number} patientId
 */
function closed(desk, patientId) {
  return h(
    "div",
    { class: "card empty" },
    h("strong", {}, "You have no care relationship with this patient."),
    h("p", {}, "In an emergency you may open the record all the same. It is logged and reviewed."),
    h(
      "button",
      {
        class: "button button-danger",
        type: "button",
        on: { click: () => showGlass(desk, patientId) },
      },
      "Break the glass",
    ),
  );
}

/** @param {Shown} shown */
function head(shown) {
  const { desk, chart } = shown;
  const { patient, owner } = chart;
  const born = patient.birth_date
    ? `${date(patient.birth_date)} (${years(patient.birth_date, desk.session.now())})`
    : "unknown";
  const buttons = actsOf(shown).map((act) => actButton(shown, act));
  return h(
    "header",
    { class: "card chart-head" },
    h(
      "div",
      { class: "chart-who" },
      h("span", { class: "chart-bed" }, h("span", { class: "small" }, "Bed"), patient.bed ?? "–"),
      h(
        "div",
        {},
        h("h1", {}, patient.name),
        h(
          "dl",
          { class: "chart-facts" },
          fact("Born", born),
          fact("MRN", patient.mrn),
          fact("Unit", patient.unit?.name ?? "none"),
          patient.admitted_at && fact("Admitted", dayTime(patient.admitted_at)),
          patient.discharged_at && fact("Discharged", dayTime(patient.discharged_at)),
          fact("Nurse", owner ? (owner.id === desk.user.id ? "You" : owner.name) : "nobody yet"),
          fact("Open because", BASES[chart.basis] ?? chart.basis),
        ),
      ),
    ),
    buttons.length > 0 && h("div", { class: "row chart-acts" }, buttons),
  );
}

/** @typedef {[id: string, text: string, way: string, act: () => Promise<unknown>]} Act */

/**
 * Return what one may do with the record now, what is done most first.
 * @param {Shown} shown
 * @returns {Act[]}
 */
function actsOf(shown) {
  const { desk, chart } = shown;
  const { patient, owner, may } = chart;
  const can = (/** @type {string} */ what) => may.includes(what);
  const answers = !owner || owner.id === desk.user.id || can("take_over");
  const here = isHere(patient);
  /** @type {(Act | false)[]} */
  const acts = [
    can("write") && ["record", "Record vital signs", "button-primary", () => recordSigns(desk, patient)],
    can("write") && ["write", "Write note", "", () => writeNote(desk, patient)],
    owner?.id !== desk.user.id && here && can("take_over") && ["take", "Take", "", () => take(shown)],
    can("hand_over") && here && !chart.pending_handoff && answers && ["give", "Hand over", "", () => giveHandoff(desk, patient)],
    ["values", "Values", "button-quiet", () => showValues(shown)],
    can("open") && ["place", here ? "Move" : "Admit again", "button-quiet", () => place(shown)],
    can("open") && here && ["discharge", "Discharge", "button-quiet", () => discharge(shown)],
  ];
  return acts.filter((each) => each !== false);
}

/**
 * @param {Shown} shown
 * @param {Act} act
 */
function actButton({ desk, chart, again, redraw }, [id, text, way, act]) {
  const click = async () => {
    if (await act()) await again();
    else redraw();
  };
  return h(
    "button",
    { id: `act-${id}`, class: `button ${way}`, type: "button", on: { click } },
    text,
    desk.drafts.has(`${DRAFTS[id]} ${chart.patient.id}`) &&
      h("span", { class: "badge badge-warn" }, "draft"),
  );
}

/**
 * @param {string} name
 * @param {string} value
 */
const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

/** @param {Shown} shown */
function glass({ desk, chart }) {
  const grant = chart.break_glass;
  if (!grant) return null;
  return h(
    "div",
    { class: "notice notice-bad", role: "status" },
    h(
      "p",
      {},
      h("strong", {}, "Emergency access "),
      `until ${clockTime(grant.expires_at)}. Everything you open here is logged and reviewed.`,
    ),
    h(
      "button",
      { class: "button", type: "button", on: { click: () => giveBack(desk, grant.id) } },
      "Give back now",
    ),
  );
}
