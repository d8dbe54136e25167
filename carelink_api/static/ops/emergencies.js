// Emergencies, for operators: how often, where, and whether reviews are overdue. No record, nobody.

import { dayTime, fill, h } from "../ui.js";
import { counted } from "./words.js";

/**
 * @param {import("./console.js").Console} board
 * @param {AbortSignal} signal
 * @returns {import("./console.js").View}
 */
export function showEmergencies(board, signal) {
  const body = h("div", { class: "stack stack-wide" });
  const poll = async () => fill(body, facts(await board.ask("/api/ops/break-glass/", signal)));
  const element = h(
    "div",
    { class: "stack stack-wide" },
    h("div", { class: "page-head ops-head" }, h("h1", {}, "Emergencies")),
    h("p", {}, "Records opened without a care relationship, with a reason and for an hour. Administrators review each; here are only the numbers."),
    body,
  );
  return { element, poll, every: 60 };
}

/** @param {any} found */
function facts(found) {
  return [
    found.overdue > 0
      ? h("div", { class: "notice notice-bad" }, h("p", {}, h("strong", {}, `${counted(found.overdue, "review")} overdue. `), "Tell an administrator: they find the review queue at this address when they log in."))
      : h("div", { class: "notice notice-good" }, h("p", {}, found.awaiting ? `No review is overdue. The next is due ${dayTime(found.next_due_at)}.` : "Every emergency has been reviewed.")),
    h(
      "dl",
      { class: "grid grid-small" },
      tile("Open now", found.open_now),
      tile("Last 24 hours", found.opened_last_day),
      tile("Last 30 days", found.opened_last_30_days),
      tile("Waiting for review", found.awaiting),
      tile("Overdue", found.overdue, found.overdue > 0),
    ),
    found.by_unit.length > 0 &&
      h(
        "section",
        { class: "card card-flush" },
        h("div", { class: "card-head" }, h("h2", {}, "Last 30 days by unit of the patient")),
        h(
          "div",
          { class: "table-wrap" },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Unit"), h("th", { scope: "col", class: "number" }, "Opened"), h("th", { scope: "col", class: "number" }, "To review"))),
            h("tbody", {}, found.by_unit.map((/** @type {any} */ each) => h("tr", {}, h("th", { scope: "row" }, each.unit?.name ?? "No unit"), h("td", { class: "number" }, each.opened), h("td", { class: "number" }, each.awaiting)))),
          ),
        ),
      ),
  ];
}

/**
 * @param {string} name
 * @param {number} value
 * @param {boolean} [bad]
 */
const tile = (name, value, bad = false) => h("div", { class: `card figure-tile ${bad ? "ops-tile-bad" : ""}` }, h("dt", {}, name), h("dd", {}, value.toLocaleString("en-GB")));
