// The stores: how they are, what it means, and what to do.

import { clockTime, fill, h } from "../ui.js";

/** @type {Record<string, [string, string]>} */
const STATES = { ok: ["badge-good", "Well"], warn: ["badge-warn", "Look at it"], bad: ["badge-bad", "Act now"] };
/** @type {Record<string, string>} */
const NAMES = { database: "Database", redis: "Redis", pulse: "Pulse of this worker", housekeeper: "Housekeeper" };
/** @type {Record<string, [string, string]>} */
const STATUS = {
  ready: ["notice-good", "All is well. Nothing has to be done."],
  degraded: ["notice-warn", "CareLink works. Something needs a look."],
  unavailable: ["notice-bad", "CareLink cannot serve. Act now."],
};

/**
 * @param {import("./console.js").Console} board
 * @param {AbortSignal} signal
 * @returns {import("./console.js").View}
 */
export function showHealth(board, signal) {
  const body = h("div", { class: "stack", "aria-live": "polite" });
  const at = h("p", { class: "soft small" });
  const poll = async () => {
    const found = await board.ask("/api/ops/health/", signal);
    const looks = found.findings.some((/** @type {any} */ each) => each.state !== "ok");
    const [kind, words] = STATUS[found.status === "ready" && looks ? "degraded" : found.status] ?? ["", ""];
    at.textContent = `As of ${clockTime(found.at)}, as one worker sees it`;
    fill(body, h("div", { class: `notice ${kind}` }, h("p", { class: "strong" }, words)), h("div", { class: "grid grid-large" }, found.findings.map(card)));
  };
  const element = h("div", { class: "stack stack-wide" }, h("div", { class: "page-head ops-head" }, h("h1", {}, "Stores"), at), body);
  return { element, poll, every: 10 };
}

/** @param {any} finding */
function card(finding) {
  const [kind, words] = STATES[finding.state] ?? ["", finding.state];
  return h(
    "article",
    { class: `card stack ops-finding ops-finding-${finding.state}` },
    h("div", { class: "row row-between" }, h("h2", {}, NAMES[finding.name] ?? finding.name), h("span", { class: `badge ${kind}` }, words)),
    h("p", {}, finding.found),
    finding.means && h("div", {}, h("h3", {}, "What it means"), h("p", {}, finding.means)),
    finding.mend && h("div", {}, h("h3", {}, "What to do"), h("p", {}, finding.mend)),
  );
}
