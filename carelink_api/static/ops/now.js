// Live numbers: who is logged in, and the last hour minute by minute.

import { plot } from "../plot.js";
import { clockTime, fill, h } from "../ui.js";
import { confirmRevocation } from "./revoke.js";
import { USER_TYPES } from "./words.js";

const MINUTE = 60_000;
/** @type {[string, string, string, boolean][]}  series, title, what it means, whether any is bad */
const SERIES = [
  ["reuse_alarms", "Reuse alarms", "An old token came back: a copied token, or a broken app. The session was ended.", true],
  ["refusals", "Refusals", "Logins and refreshes refused. A peak: somebody guesses, or many were thrown out.", false],
  ["throttles", "Throttled", "Refused because there were too many requests.", true],
  ["logins", "Logins", "Somebody logged in with a password.", false],
  ["refreshes", "Refreshes", "Apps renewing access silently.", false],
  ["reissues", "Reissues", "An answer was lost and given again. Many: bad Wi-Fi.", false],
  ["ended", "Sessions ended", "Logged out, revoked or over.", false],
];

/**
 * @param {import("./console.js").Console} board
 * @param {AbortSignal} signal
 * @returns {import("./console.js").View}
 */
export function showNow(board, signal) {
  const total = h("p", { class: "ops-total", id: "total" }, "…");
  const types = h("ul", { class: "ops-types" });
  const units = h("tbody");
  const plots = h("div", { class: "grid ops-plots" });
  const at = h("p", { class: "soft small", "aria-live": "off" });
  const element = h(
    "div",
    { class: "stack stack-wide" },
    h("div", { class: "page-head ops-head" }, h("h1", {}, "Now"), at),
    h(
      "div",
      { class: "ops-now" },
      h("section", { class: "card stack", "aria-label": "Active sessions" }, h("h2", {}, "Active sessions"), total, types),
      h(
        "section",
        { class: "card card-flush" },
        h("div", { class: "card-head" }, h("h2", {}, "By unit"), h("span", { class: "soft small" }, "home unit of who is logged in")),
        h("div", { class: "table-wrap ops-units" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Unit"), h("th", { class: "number" }, "Sessions"), h("th", {}, h("span", { class: "hidden-visually" }, "Actions")))), units)),
      ),
    ),
    h("section", { class: "stack" }, h("h2", {}, "The last hour"), plots),
  );
  const poll = async () => {
    const found = await board.ask("/api/ops/numbers/", signal);
    total.textContent = found.sessions.total.toLocaleString("en-GB");
    fill(types, found.sessions.by_user_type.map((/** @type {any} */ each) => typeRow(board, each, found.sessions.total)));
    fill(units, unitRows(board, found.sessions));
    if (!plots.contains(document.activeElement) && !plots.matches(":hover")) fill(plots, plotCards(found));
    at.textContent = `As of ${clockTime(found.at)}, every 10 seconds`;
  };
  return { element, poll, every: 10 };
}

/**
 * @param {import("./console.js").Console} board
 * @param {{user_type: string, sessions: number}} row
 * @param {number} total
 */
function typeRow(board, { user_type, sessions }, total) {
  const bar = h("span", { class: "ops-bar-fill" });
  bar.style.setProperty("--share", `${total ? (100 * sessions) / total : 0}%`);
  const name = USER_TYPES[user_type] ?? user_type;
  return h(
    "li",
    {},
    h("a", { href: `#sessions?user_type=${user_type}` }, name),
    h("span", { class: "ops-bar-line", "aria-hidden": "true" }, bar),
    h("span", { class: "number strong" }, sessions.toLocaleString("en-GB")),
  );
}

/**
 * @param {import("./console.js").Console} board
 * @param {any} sessions
 */
function unitRows(board, sessions) {
  const rows = [...sessions.by_unit].sort((a, b) => b.sessions - a.sessions || a.name.localeCompare(b.name));
  const shown = rows.map((unit) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a", { href: `#sessions?unit_id=${unit.id}` }, unit.name)),
      h("td", { class: "number" }, unit.sessions.toLocaleString("en-GB")),
      h(
        "td",
        { class: "number" },
        unit.sessions > 0 &&
          h("button", { class: "button button-small", type: "button", "aria-label": `Revoke ${unit.name}`, on: { click: () => confirmRevocation(board, { unit_id: unit.id }, `everybody of ${unit.name}`) } }, "Revoke …"),
      ),
    ),
  );
  return [
    ...shown,
    h("tr", {}, h("th", { scope: "row" }, "Without a unit"), h("td", { class: "number" }, sessions.without_unit.toLocaleString("en-GB")), h("td")),
  ];
}

/** @param {any} found */
function plotCards({ last_hour }) {
  const since = new Date(last_hour.starts_at).getTime();
  return SERIES.map(([name, title, means, alarming]) => {
    /** @type {number[]} */
    const counts = last_hour.series[name];
    const points = counts.slice(0, -1).map((value, i) => ({ at: since + i * MINUTE, value }));
    // The present minute is not over: it would look like a fall.
    const sum = counts.reduce((all, each) => all + each, 0);
    const lately = counts.slice(-5).reduce((all, each) => all + each, 0);
    const bad = alarming && sum > 0;
    return h(
      "article",
      { class: `card ops-plot ${bad ? "ops-plot-bad" : ""}`, dataset: { series: name } },
      h("div", { class: "ops-plot-head" }, h("h3", {}, title), h("span", { class: "figure-value" }, sum.toLocaleString("en-GB"))),
      h("p", { class: "soft small" }, `${lately.toLocaleString("en-GB")} in the last 5 minutes`),
      plot({
        label: `${title} in each minute of the last hour`,
        series: [{ name: title, points, color: bad ? 2 : 1, area: true }],
        since,
        until: since + 58 * MINUTE,
        least: [0, 4],
        width: 360,
        height: 120,
        dots: false,
      }),
      h("p", { class: "soft small" }, means),
    );
  });
}
