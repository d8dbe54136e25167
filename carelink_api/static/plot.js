// Plots of values over time, drawn as SVG. One plot: one or more lines over a common time axis, an
// optional band of what is usual, a cursor that reads out the values under pointer or arrow keys.

import { clockTime, dayTime, h, s, uid } from "./ui.js";

/** @typedef {{at: number, value: number, out?: boolean}} Point */
/** @typedef {{name: string, points: Point[], color?: 1 | 2 | 3 | 4, area?: boolean}} Series */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STEPS = [
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  4 * HOUR,
  6 * HOUR,
  12 * HOUR,
  24 * HOUR,
  48 * HOUR,
];
const PLACE = { left: 40, right: 14, top: 10, bottom: 22 };

/**
 * Draw a plot.
 * @param {object} options
 * @param {string} options.label  what a screen reader calls it
 * @param {Series[]} options.series
 * @param {number} options.since  ms
 * @param {number} options.until  ms
 * @param {[number, number]} [options.band]  what is usual
 * @param {[number, number]} [options.least]  values that the axis covers at least
 * @param {string} [options.unit]
 * @param {number} [options.width]
 * @param {number} [options.height]
 * @param {boolean} [options.dots]
 * @param {number} [options.decimals]
 * @returns {HTMLElement}
 */
export function plot({
  label,
  series,
  since,
  until,
  band,
  least,
  unit = "",
  width = 640,
  height = 190,
  dots = true,
  decimals = 0,
}) {
  const { left, right, top, bottom } = PLACE;
  const marks = niceMarks(
    extent(series, band, least),
    Math.max(2, Math.round((height - top - bottom) / 28)),
  );
  const [low, high] = ends(marks);
  const x = (/** @type {number} */ at) =>
    left + ((at - since) / (until - since || 1)) * (width - left - right);
  const y = (/** @type {number} */ value) =>
    top + ((high - value) / (high - low || 1)) * (height - top - bottom);
  const clip = uid("clip");
  const cursor = s("line", {
    class: "plot-cursor",
    y1: top,
    y2: height - bottom,
    visibility: "hidden",
  });
  const drawing = s(
    "svg",
    {
      class: "plot",
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": summary(label, series, unit, decimals),
    },
    s(
      "clipPath",
      { id: clip },
      s("rect", {
        x: left,
        y: top - 4,
        width: width - left - right + 6,
        height: height - top - bottom + 8,
      }),
    ),
    band &&
      s("rect", {
        class: "plot-band",
        x: left,
        width: width - left - right,
        y: y(Math.min(high, band[1])),
        height: Math.max(0, y(Math.max(low, band[0])) - y(Math.min(high, band[1]))),
      }),
    marks
      .map((mark) => [
        s("line", { class: "plot-grid", x1: left, x2: width - right, y1: y(mark), y2: y(mark) }),
        s("text", { x: left - 8, y: y(mark) + 4, "text-anchor": "end" }, shortNumber(mark)),
      ])
      .flat(),
    timeMarks(since, until, width < 420 ? 3 : 6).map((at) =>
      s("text", { x: x(at), y: height - 4, "text-anchor": "middle" }, clockTime(at)),
    ),
    cursor,
    s(
      "g",
      { "clip-path": `url(#${clip})` },
      series.map((one, i) => line(one, i, x, y, y(low), dots)),
    ),
  );
  const reading = h("p", { class: "plot-reading", "aria-live": "polite" }, " ");
  const figure = h(
    "figure",
    { class: "plot-figure", tabindex: "0", role: "group", "aria-label": label },
    drawing,
    reading,
  );
  follow(figure, drawing, cursor, reading, { series, x, width, unit, decimals, until });
  return figure;
}

/**
 * Draw a line of a few values without axes.
 * @param {Point[]} points
 * @param {{width?: number, height?: number, label?: string}} [options]
 */
export function spark(points, { width = 84, height = 24, label = "" } = {}) {
  if (points.length < 2)
    return s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const values = points.map((point) => point.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = ends(points.map((point) => point.at));
  const x = (/** @type {number} */ at) => 3 + ((at - first) / (last - first || 1)) * (width - 6);
  const y = (/** @type {number} */ value) =>
    high === low ? height / 2 : 3 + ((high - value) / (high - low)) * (height - 6);
  const end = /** @type {Point} */ (points.at(-1));
  return s(
    "svg",
    {
      class: "spark plot-1",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }),
    },
    s("path", { class: "plot-line", d: path(points, x, y) }),
    s("circle", { class: "plot-dot", cx: x(end.at), cy: y(end.value), r: 2.5 }),
  );
}

/**
 * A legend of some lines.
 * @param {Series[]} series
 */
export function legend(series) {
  return h(
    "ul",
    { class: "legend" },
    series.map((one, i) =>
      h(
        "li",
        {},
        h("span", { class: `swatch plot-${one.color ?? i + 1}`, "aria-hidden": "true" }),
        one.name,
      ),
    ),
  );
}

/**
 * @param {Series} one
 * @param {number} i
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 * @param {number} ground
 * @param {boolean} dots
 */
function line(one, i, x, y, ground, dots) {
  const { points } = one;
  if (!points.length) return null;
  const drawn = path(points, x, y);
  const edges = ends(points.map((point) => x(point.at).toFixed(1)));
  return s(
    "g",
    { class: `plot-${one.color ?? i + 1}` },
    one.area &&
      s("path", { class: "plot-area", d: `${drawn}L${edges[1]} ${ground}L${edges[0]} ${ground}Z` }),
    s("path", { class: "plot-line", d: drawn }),
    dots &&
      points.length <= 120 &&
      points.map((point) =>
        s("circle", {
          class: point.out ? "plot-dot plot-dot-out" : "plot-dot",
          r: point.out ? 4.5 : 3.5,
          cx: x(point.at).toFixed(1),
          cy: y(point.value).toFixed(1),
        }),
      ),
  );
}

/**
 * @param {Point[]} points
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 */
function path(points, x, y) {
  return points
    .map((point, i) => `${i ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`)
    .join("");
}

/**
 * @param {HTMLElement} figure
 * @param {SVGSVGElement} drawing
 * @param {SVGLineElement} cursor
 * @param {HTMLElement} reading
 * @param {{series: Series[], x: (at: number) => number, width: number, unit: string, decimals: number, until: number}} plotted
 */
function follow(figure, drawing, cursor, reading, { series, x, width, unit, decimals, until }) {
  const moments = [...new Set(series.flatMap((one) => one.points.map((point) => point.at)))].sort(
    (a, b) => a - b,
  );
  let place = -1;
  const show = (/** @type {number} */ next) => {
    place = Math.max(0, Math.min(moments.length - 1, next));
    const at = /** @type {number} */ (moments[place]);
    cursor.setAttribute("x1", String(x(at)));
    cursor.setAttribute("x2", String(x(at)));
    cursor.setAttribute("visibility", "visible");
    const read = series.flatMap((one) =>
      one.points
        .filter((point) => point.at === at)
        .map(
          (point) =>
            `${series.length > 1 ? `${one.name} ` : ""}${point.value.toFixed(decimals)}${unit && ` ${unit}`}`,
        ),
    );
    reading.textContent = `${dayTime(at, until)}: ${read.join(" · ")}`;
  };
  const hide = () => {
    place = -1;
    cursor.setAttribute("visibility", "hidden");
    reading.textContent = " ";
  };
  if (!moments.length) return;
  figure.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    const away = moments.map((moment) => Math.abs(x(moment) - at));
    const nearest = away.indexOf(Math.min(...away));
    if (nearest !== place) show(nearest);
  });
  figure.addEventListener("pointerleave", hide);
  figure.addEventListener("blur", hide);
  figure.addEventListener("keydown", (event) => {
    const to = {
      ArrowLeft: place < 0 ? moments.length - 1 : place - 1,
      ArrowRight: place + 1,
      Home: 0,
      End: moments.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}

/**
 * @param {string} label
 * @param {Series[]} series
 * @param {string} unit
 * @param {number} decimals
 */
function summary(label, series, unit, decimals) {
  const said = series
    .filter((one) => one.points.length)
    .map((one) => {
      const values = one.points.map((point) => point.value);
      const of = series.length > 1 ? `${one.name}: ` : "";
      const put = (/** @type {number} */ value) => value.toFixed(decimals);
      return `${of}latest ${put(ends(values)[1])} ${unit}, from ${put(Math.min(...values))} to ${put(Math.max(...values))}`;
    });
  return `${label}. ${said.join("; ") || "No values"}.`;
}

/**
 * @param {Series[]} series
 * @param {[number, number]} [band]
 * @param {[number, number]} [least]
 * @returns {[number, number]}
 */
function extent(series, band, least) {
  const values = series
    .flatMap((one) => one.points.map((point) => point.value))
    .concat(band ?? [], least ?? []);
  if (!values.length) return [0, 1];
  const low = values.reduce((least, value) => Math.min(least, value));
  const high = values.reduce((most, value) => Math.max(most, value));
  return low === high ? [low - 1, high + 1] : [low, high];
}

/**
 * Return round numbers that span the values.
 * @param {[number, number]} span
 * @param {number} most
 */
function niceMarks([low, high], most) {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step =
    [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ??
    10 * power;
  const marks = [];
  for (let i = Math.floor(low / step); i <= Math.ceil(high / step); i += 1)
    marks.push(Number((i * step).toPrecision(12)));
  return marks;
}

/**
 * Return full hours (or quarters …) of local time within a span.
 * @param {number} since
 * @param {number} until
 * @param {number} most
 */
function timeMarks(since, until, most) {
  const step = STEPS.find((candidate) => (until - since) / candidate <= most) ?? 48 * HOUR;
  const offset = new Date(since).getTimezoneOffset() * MINUTE;
  const marks = [];
  for (let at = Math.ceil((since - offset) / step) * step + offset; at <= until; at += step)
    marks.push(at);
  return marks;
}

/**
 * Return the first and the last of some things.
 * @template T
 * @param {T[]} things
 */
const ends = (things) => /** @type {[T, T]} */ ([things[0], things.at(-1)]);

/** @param {number} value */
function shortNumber(value) {
  if (Math.abs(value) >= 10_000) return `${Number((value / 1000).toPrecision(3))}k`;
  return String(value);
}
