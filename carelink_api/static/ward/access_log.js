// Who has opened the record: for the one whose it is.

import { explain, fill, h, openDialog, timeElement } from "../ui.js";
import { isOver } from "./api.js";
import { ACCESSES, BASES_OF_OTHERS, EMERGENCIES } from "./words.js";

/** @typedef {import("./chart.js").Shown} Shown */
/** @typedef {{at: string, event: string, outcome: string, basis: string | null, reason_code: string | null,
 *   user: {id: number, name: string, user_type: string} | null}} Opened */

const PAGE = 30;

/** @param {Shown} shown */
export function accessLog({ desk, chart }) {
  if (!chart.may.includes("read_log")) return null;
  return h(
    "section",
    { class: "card stack", "aria-label": "Who has opened this record" },
    h("h2", {}, "Who has opened this record"),
    h("p", { class: "soft small" }, "Every look into it is logged, refused ones too."),
    h("p", {}, h("button", { id: "access-log", class: "button", type: "button", on: { click: () => show(desk, chart.patient.id) } }, "Show")),
  );
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {number} patientId
 */
async function show(desk, patientId) {
  const list = h("ol", { class: "values" });
  const foot = h("div", { class: "row" }, h("p", { class: "soft", role: "status" }, "Loading …"));
  openDialog({ title: "Who has opened this record", className: "dialog-wide", body: [list, foot] });
  const load = async (/** @type {number} */ page) => {
    try {
      const found = await desk.api.get(`/api/patients/${patientId}/access-log/?page_size=${PAGE}&page=${page}`);
      list.append(...found.items.map(line));
      const older = h("button", { class: "button", type: "button", on: { click: () => load(page + 1) } }, "Earlier ones");
      fill(foot, page * PAGE < found.total && older);
    } catch (error) {
      if (!isOver(error)) fill(foot, h("p", { role: "alert" }, explain(error)));
    }
  };
  await load(1);
}

/** @param {Opened} opened */
function line({ at, event, outcome, basis, reason_code: code, user }) {
  const emergency = EMERGENCIES.find(([each]) => each === code)?.[1];
  const why = outcome === "refused" ? "" : [BASES_OF_OTHERS[basis ?? ""], emergency].filter(Boolean).join(": ");
  return h(
    "li",
    { class: "row row-between" },
    h(
      "div",
      {},
      h("strong", {}, user?.name ?? "The hospital's operations"),
      user && h("span", { class: "soft small" }, ` ${user.user_type}`),
      h("p", {}, ACCESSES[event] ?? event.replaceAll(/[:_]/g, " "), why && h("span", { class: "soft small" }, ` – ${why}`)),
    ),
    h(
      "div",
      { class: "values-end" },
      h("span", { class: "soft small" }, timeElement(at)),
      outcome === "refused" && h("span", { class: "badge" }, "refused"),
      outcome === "alert" && h("span", { class: "badge badge-bad" }, "emergency"),
    ),
  );
}
