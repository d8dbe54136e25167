// The board: the ward's patients by bed, with their latest vital signs.

import { explain, fill, h } from "../ui.js";
import { isOver } from "./api.js";
import { table } from "./board_table.js";
import { age } from "./clock.js";
import { findPatient } from "./glass.js";
import { worst } from "./signs.js";

/** @typedef {import("./signs.js").Sign} Sign */
/** @typedef {{id: number, name: string}} Person */
/** @typedef {{id: number, mrn: string, name: string, birth_date: string | null, bed: string | null,
 *   unit: Person | null, admitted_at: string | null, discharged_at: string | null, owner: Person | null,
 *   pending_handoff: {id: number, given_by: Person, given_at: string} | null, latest: Sign[]}} Patient */

const PAGE = 200;
/** Each time it is asked for is a line in the access log of every patient on it. */
const EVERY_MS = 5 * 60_000;

/**
 * @param {import("./desk.js").Desk} desk
 * @param {Element} main
 * @param {AbortSignal} signal
 */
export function showBoard(desk, main, signal) {
  /** @type {{patients: Patient[], total: number, at: number} | null} */
  let board = null;
  let view = "all";
  const own = desk.user.user_type === "patient";
  const asOf = h("p", { class: "soft small", id: "as-of" }, " ");
  const title = h("h1", {}, own ? "My record" : (desk.user.unit ?? "My patients"));
  const search = h("input", {
    type: "search",
    placeholder: "Name, bed or MRN",
    "aria-label": "Search these patients",
    autocomplete: "off",
    spellcheck: "false",
    on: { input: () => draw() },
  });
  const views = h("div", { class: "tabs", role: "group", "aria-label": "Which patients" });
  const list = h(
    "div",
    { class: "card card-flush", id: "patients", "aria-live": "off" },
    skeleton(),
  );
  const again = h(
    "button",
    { class: "button", type: "button", on: { click: () => desk.refresh() } },
    "Refresh",
  );
  document.title = "CareLink – patients";
  fill(
    main,
    h(
      "div",
      { class: "page-head" },
      h("div", {}, title, asOf),
      !own &&
        h("div", { class: "row board-tools" }, h("div", { class: "board-search" }, search), again),
    ),
    !own && h("div", { class: "row row-between board-views" }, views),
    list,
    !own && legend(),
  );

  async function refresh(background = false) {
    try {
      const page = await desk.api.get(`/api/board/?page_size=${PAGE}`, { background, signal });
      board = { patients: byBed(page.items), total: page.total, at: desk.session.now() };
      draw();
    } catch (error) {
      if (!isOver(error)) fill(list, refusal(desk, error));
    }
  }

  function draw() {
    if (!board) return;
    const { patients, at } = board;
    const units = [...new Set(patients.map((patient) => patient.unit?.name ?? ""))].filter(Boolean);
    if (!own) title.textContent = units.join(" · ") || (desk.user.unit ?? "My patients");
    const groups = sorted(patients, desk.user.id);
    if (!groups[view]) view = "all";
    const choose = (/** @type {string} */ chosen) => {
      view = chosen;
      draw();
    };
    fill(
      views,
      Object.entries(groups).map(([key, [text, members]]) =>
        tab(text, members.length, key === view, () => choose(key)),
      ),
    );
    const asked = plain(search.value);
    const found = /** @type {[string, Patient[]]} */ (groups[view])[1].filter(
      (patient) =>
        !asked || plain(`${patient.name} ${patient.mrn} ${patient.bed ?? ""}`).includes(asked),
    );
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.patient;
    fill(
      list,
      found.length
        ? table(desk, found, units.length > 1, at)
        : nobody(desk, search.value, patients.length),
    );
    if (focused)
      /** @type {HTMLElement | null} */ (
        list.querySelector(`[data-patient="${focused}"]`)
      )?.focus();
    tick();
  }

  function tick() {
    if (board) age(asOf, board.at, desk.session.now());
    if (board && board.total > PAGE) asOf.append(`, the first ${PAGE} of ${board.total}`);
  }

  refresh();
  return { refresh, tick, everyMs: EVERY_MS };
}

const ORDER = new Intl.Collator("en", { numeric: true });

/**
 * Return patients as one walks by: those who have left last, 2A before 10A.
 * @param {Patient[]} patients
 */
function byBed(patients) {
  const place = (/** @type {Patient} */ each) =>
    `${each.discharged_at ? 1 : 0} ${each.unit?.name ?? "~"} ${each.bed ?? "~"}`;
  return [...patients].sort((one, other) => ORDER.compare(place(one), place(other)));
}

/**
 * @param {Patient[]} patients
 * @param {number} userId
 * @returns {Record<string, [string, Patient[]]>}
 */
function sorted(patients, userId) {
  const mine = patients.filter((patient) => patient.owner?.id === userId);
  const accept = patients.filter(
    (patient) => patient.pending_handoff && patient.pending_handoff.given_by.id !== userId,
  );
  const watch = patients.filter((patient) => worst(patient.latest) >= 2);
  return {
    all: ["All", patients],
    mine: ["Mine", mine],
    accept: ["To accept", accept],
    watch: ["To watch", watch],
  };
}

/**
 * @param {string} text
 * @param {number} count
 * @param {boolean} pressed
 * @param {() => void} click
 */
const tab = (text, count, pressed, click) =>
  h(
    "button",
    { class: "tab", type: "button", "aria-pressed": String(pressed), on: { click } },
    text,
    " ",
    h("span", { class: "count" }, count),
  );

const legend = () =>
  h(
    "p",
    { class: "soft small board-foot" },
    h("span", { class: "sign sign-2" }, "▲"),
    " ",
    h("span", { class: "sign sign-2" }, "▼"),
    " above or below what is usual for adults, by the bands of NEWS2 for each sign: ",
    h("span", { class: "sign sign-1" }, "1"),
    ", ",
    h("span", { class: "sign sign-2" }, "2"),
    " or ",
    h("span", { class: "sign sign-3" }, "3"),
    " points. No total is made of them.",
  );

/** @param {string} text */
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();

/**
 * @param {import("./desk.js").Desk} desk
 * @param {string} asked
 * @param {number} all
 */
function nobody(desk, asked, all) {
  if (asked.trim()) {
    return h(
      "div",
      { class: "empty" },
      h("strong", {}, "None of your patients matches."),
      h("p", {}, "A record that is not among yours opens by its MRN, in an emergency."),
      h(
        "button",
        { class: "button", type: "button", on: { click: () => findPatient(desk, asked.trim()) } },
        "Find by MRN",
      ),
    );
  }
  if (all)
    return h(
      "div",
      { class: "empty" },
      h("strong", {}, "Nobody here."),
      h("p", {}, "Choose “All” to see everybody."),
    );
  const nurse = desk.user.user_type === "nurse";
  return h(
    "div",
    { class: "empty" },
    h("strong", {}, "No patients to show."),
    h(
      "p",
      {},
      nurse
        ? "A nurse sees the patients of the unit while on shift there, not before it begins."
        : "Nobody is in your care at the moment.",
    ),
  );
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {any} error
 */
function refusal(desk, error) {
  if (error?.status !== 403) return h("div", { class: "empty", role: "alert" }, explain(error));
  return h(
    "div",
    { class: "empty" },
    h("strong", {}, "Your account opens no patient's record."),
    ["ops", "admin"].includes(desk.user.user_type)
      ? h("a", { class: "button", href: "/ops/" }, "Open the operations console")
      : h("p", {}, "Your own sessions are in the menu at the top."),
  );
}

function skeleton() {
  return h(
    "div",
    { class: "board-skeleton", "aria-busy": "true" },
    h("span", { class: "hidden-visually" }, "Loading"),
    Array.from({ length: 8 }, () => h("div", { class: "skeleton" })),
  );
}
