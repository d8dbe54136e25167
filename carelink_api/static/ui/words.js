// Words for times and faults.

import { h } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/**
 * Return the time of day, `14:05`.
 * @param {string | number} at  RFC 3339, or ms
 */
export const clockTime = (at) => CLOCK.format(new Date(at));

/**
 * Return the day and time; the day is left out where it is today's.
 * @param {string | number} at
 * @param {number} [now]  ms
 */
export function dayTime(at, now = Date.now()) {
  const day = new Date(at).toDateString();
  return day === new Date(now).toDateString()
    ? clockTime(at)
    : `${DAY.format(new Date(at))}, ${clockTime(at)}`;
}

/**
 * Return a date, `4 Mar 1951`, of a day without a time zone or of a moment.
 * @param {string | number} at
 */
export function date(at) {
  return DATE.format(
    typeof at === "string" && at.length === 10 ? new Date(`${at}T12:00:00`) : new Date(at),
  );
}

/**
 * Return how long something lasts: `45 s`, `12 min`, `3 h 05 min`.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60)
    return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 1440)} days`;
}

/**
 * Return how long ago something was.
 * @param {string | number} at
 * @param {number} now  ms, by the server's clock
 */
export function ago(at, now) {
  const seconds = (now - new Date(at).getTime()) / 1000;
  return seconds < 60 ? "just now" : `${duration(seconds)} ago`;
}

/**
 * Return a `time` element: the text for people, the moment for machines.
 * @param {string} at
 * @param {string} [text]
 */
export function timeElement(at, text = dayTime(at)) {
  return h("time", { datetime: at, title: `${date(at)}, ${clockTime(at)}` }, text);
}

/**
 * Say in a calm sentence why a request was not answered as hoped.
 * @param {any} error
 */
export function explain(error) {
  if (error?.problem) {
    const waiting = Number(error.problem.status) === 503 || Number(error.status) === 503;
    return waiting
      ? "CareLink is busy for the moment. Nothing was lost; it is tried again."
      : String(error.problem.detail || error.problem.title);
  }
  if (error?.name === "Unreachable" || error instanceof TypeError) {
    return "CareLink cannot be reached. Nothing was lost; it is tried again.";
  }
  return "That did not work. Try again.";
}
