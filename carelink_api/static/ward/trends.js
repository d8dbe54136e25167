// How the vital signs went: a plot for each, and the same as a table.

import { dayTime, fill, h } from "../ui.js";
import { legend, plot } from "../plot.js";
import { DIASTOLIC, KINDS, SYSTOLIC, kindOf, mark, written } from "./signs.js";

/** @typedef {{id: number, effective_at: string, value: number}} Value */
/** @typedef {{code: string, name: string, unit: string, points: Value[]}} Trend */
/** @typedef {{since: string, until: string, trends: Trend[]}} Trends */

const SPANS = [
  [12, "12 h"],
  [24, "24 h"],
  [48, "2 days"],
  [168, "7 days"],
];

/**
 * @param {Trends} chart
 * @param {number} hours
 * @param {(hours: number) => void} choose
 */
export function trends(chart, hours, choose) {
  const spans = h(
    "div",
    { class: "tabs", role: "group", "aria-label": "Span of time" },
    SPANS.map(([span, text]) =>
      h(
        "button",
        {
          id: `span-${span}`,
          class: "tab",
          type: "button",
          "aria-pressed": String(span === hours),
          on: { click: () => choose(Number(span)) },
        },
        text,
      ),
    ),
  );
  const place = h("div", { class: "trends-place" });
  let asTable = false;
  const toggle = h("button", {
    id: "as-table",
    class: "button button-small",
    type: "button",
    on: {
      click: () => {
        asTable = !asTable;
        draw();
      },
    },
  });
  const draw = () => {
    toggle.textContent = asTable ? "Show as plots" : "Show as table";
    fill(
      place,
      !chart.trends.length
        ? empty()
        : asTable
          ? table(chart)
          : h(
              "div",
              { class: "grid grid-plots" },
              KINDS.map((kind) => card(chart, kind.code)),
            ),
    );
  };
  draw();
  return [
    h(
      "div",
      { class: "row row-between" },
      h("h2", {}, "Vital signs"),
      h("div", { class: "row" }, spans, toggle),
    ),
    place,
  ];
}

/**
 * @param {Trends} chart
 * @param {string} code
 */
function card(chart, code) {
  if (code === DIASTOLIC) return null; // with the systolic one
  const trend = chart.trends.find((each) => each.code === code);
  if (!trend) return null;
  const kind = kindOf(code);
  const below =
    code === SYSTOLIC ? chart.trends.find((each) => each.code === DIASTOLIC) : undefined;
  const last = /** @type {Value} */ (trend.points.at(-1));
  const { score, high } = mark(code, last.value);
  const lower =
    below?.points.find((point) => point.effective_at === last.effective_at) ?? below?.points.at(-1);
  const series = [
    line(code, "Systolic", trend, 1),
    ...(below ? [line(DIASTOLIC, "Diastolic", below, 3)] : []),
  ];
  const title = below ? "Blood pressure" : kind.name;
  return h(
    "section",
    { class: "card plot-card", "aria-label": title },
    h(
      "div",
      { class: "plot-head" },
      h("h3", {}, title),
      h(
        "p",
        { class: "plot-last" },
        h(
          "span",
          { class: `figure-value sign sign-${score}` },
          score > 0 && h("span", { class: "sign-arrow", "aria-hidden": "true" }, high ? "▲" : "▼"),
          written(code, last.value),
          lower && `/${written(DIASTOLIC, lower.value)}`,
          score > 0 && h("span", { class: "hidden-visually" }, high ? " high" : " low"),
        ),
        h("span", { class: "unit" }, kind.unit),
        h("span", { class: "soft small" }, dayTime(last.effective_at, Date.parse(chart.until))),
      ),
    ),
    below && legend(series),
    plot({
      label: title,
      series,
      since: Date.parse(chart.since),
      until: Date.parse(chart.until),
      unit: kind.unit,
      decimals: kind.decimals,
      width: 420,
      height: 150,
      ...(kind.usual ? { band: kind.usual } : {}),
      ...(kind.axis ? { least: kind.axis } : {}),
    }),
  );
}

/**
 * @param {string} code
 * @param {string} name
 * @param {Trend} trend
 * @param {1 | 3} color
 * @returns {import("../plot.js").Series}
 */
function line(code, name, trend, color) {
  const points = trend.points.map(({ effective_at: at, value }) => ({
    at: Date.parse(at),
    value,
    out: mark(code, value).score >= 2,
  }));
  return { name, color, points };
}

/** @param {Trends} chart */
function table(chart) {
  const codes = KINDS.map((kind) => kind.code).filter((code) =>
    chart.trends.some((trend) => trend.code === code),
  );
  /** @type {Map<string, Map<string, number>>} */
  const rounds = new Map();
  for (const trend of chart.trends) {
    for (const point of trend.points) {
      const round = rounds.get(point.effective_at) ?? new Map();
      rounds.set(point.effective_at, round.set(trend.code, point.value));
    }
  }
  const times = [...rounds.keys()].sort().reverse();
  return h(
    "div",
    { class: "card card-flush" },
    h(
      "div",
      {
        class: "table-wrap",
        tabindex: "0",
        role: "region",
        "aria-label": "Vital signs as a table",
      },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Measured"),
            codes.map((code) =>
              h(
                "th",
                { scope: "col", class: "number", title: kindOf(code).name },
                kindOf(code).short,
              ),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          times.map((at) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", class: "nowrap" }, dayTime(at, Date.parse(chart.until))),
              codes.map((code) => {
                const value = rounds.get(at)?.get(code);
                return h(
                  "td",
                  { class: "number" },
                  value === undefined
                    ? h("span", { class: "soft" }, "–")
                    : h(
                        "span",
                        { class: `sign sign-${mark(code, value).score}` },
                        written(code, value),
                      ),
                );
              }),
            ),
          ),
        ),
      ),
    ),
  );
}

const empty = () => h("p", { class: "card empty" }, "Nothing was measured in this time.");
