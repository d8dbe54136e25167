// The shift clock, and the warnings before a session ends.

import { $, ago, clockTime, duration, fill, h } from "../ui.js";
import { isOver } from "./api.js";

/** @typedef {{starts_at: string, ends_at: string, unit: {id: number, name: string}, in_charge: boolean}} Shift */

const MINUTE = 60_000;
/** An end further away than this has been moved since it was warned of. */
const NEAR = { idle: MINUTE, absolute: 6 * MINUTE, shift: 16 * MINUTE };

export class ShiftClock {
  #desk;
  /** @type {Shift | null} */
  #shift = null;
  /** When the shift itself ends; handoff time follows. @type {number | null} */
  #handoffAt = null;
  /** @type {string | null} */
  #warning = null;
  #looking = false;

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    this.element = h("div", { class: "clock" });
  }

  /** The unit of the present shift, where it is known. */
  get unit() {
    return this.#shift?.unit ?? null;
  }

  /** Ask how much is left, and of which shift; that is no activity of the user's. */
  async look() {
    const { api, session, user } = this.#desk;
    if (this.#looking) return;
    this.#looking = true;
    try {
      const background = true;
      const me = await api.get("/api/auth/me/", { background });
      const left = me.seconds_left.handoff;
      this.#handoffAt = left === null ? null : session.now() + left * 1000;
      if (left !== null) {
        const since = new Date(session.now() - 60 * MINUTE).toISOString();
        const page = await api.get(
          `/api/shifts/?user_id=${user.id}&page_size=3&ends_after=${since}`,
          { background },
        );
        this.#take(page.items);
      }
    } catch (error) {
      if (isOver(error)) return; // by now it is nobody's clock; else it goes on with what it knows
    } finally {
      this.#looking = false;
    }
    this.tick();
  }

  /**
   * Take the present shift of some, or the one that has just ended.
   * @param {Shift[]} shifts
   */
  #take(shifts) {
    const now = this.#desk.session.now();
    this.#shift = shifts.find((shift) => Date.parse(shift.ends_at) > now) ?? shifts.at(-1) ?? null;
    const end = Number(this.#handoffAt); // told in whole seconds: the roster knows it exactly
    const exact = shifts.map((shift) => Date.parse(shift.ends_at));
    this.#handoffAt = exact.find((at) => Math.abs(at - end) < 2000) ?? end;
  }

  tick() {
    const now = this.#desk.session.now();
    fill(this.element, this.#handoffAt === null ? this.#plain(now) : this.#ofShift(now));
    this.#showWarning(now);
  }

  /** @param {number} now */
  #plain(now) {
    return [h("span", { class: "clock-time" }, clockTime(now))];
  }

  /** @param {number} now */
  #ofShift(now) {
    const shift = this.#shift;
    const { ends } = this.#desk.session.state;
    const endsAt = /** @type {number} */ (this.#handoffAt);
    const startsAt = shift ? Date.parse(shift.starts_at) : now;
    const [what, left, kind] =
      now < startsAt
        ? [`Shift begins ${clockTime(startsAt)}`, startsAt - now, "early"]
        : now < endsAt
          ? [
              `Shift ends ${clockTime(endsAt)}`,
              endsAt - now,
              endsAt - now < 30 * MINUTE ? "soon" : "",
            ]
          : [`Handoff until ${clockTime(ends.shift ?? now)}`, (ends.shift ?? now) - now, "handoff"];
    const share = Math.min(1, Math.max(0, (now - startsAt) / Math.max(1, endsAt - startsAt)));
    const fillBar = h("span", { class: "clock-fill" });
    fillBar.style.setProperty("--share", `${(share * 100).toFixed(1)}%`);
    return [
      h("span", { class: "clock-time" }, clockTime(now)),
      h(
        "span",
        { class: `clock-shift ${kind}` },
        h(
          "span",
          { class: "clock-words" },
          h("span", {}, what),
          h("span", { class: "soft" }, `${duration(left / 1000)} left`),
        ),
        h("span", { class: "clock-bar", "aria-hidden": "true" }, fillBar),
      ),
    ];
  }

  /** @param {string} kind */
  warn(kind) {
    this.#warning = kind;
    this.#showWarning(this.#desk.session.now());
  }

  /** @param {number} now */
  #showWarning(now) {
    const notices = this.#desk.root.querySelector("#notices");
    const shown = notices?.querySelector("#warning");
    const { ends } = this.#desk.session.state;
    const kind = /** @type {"idle" | "absolute" | "shift" | null} */ (this.#warning);
    const at = kind && ends[kind];
    if (!kind || !at || !notices || at - now > NEAR[kind] || at <= now) {
      this.#warning = null;
      return shown?.remove();
    }
    if (!shown) notices.prepend(this.#notice(kind));
    $("#warning-left", notices).textContent = duration((at - now) / 1000);
    return undefined;
  }

  /** @param {"idle" | "absolute" | "shift"} kind */
  #notice(kind) {
    const desk = this.#desk;
    const renew = h(
      "button",
      { class: "button button-primary", type: "button", on: { click: () => desk.renew() } },
      "Enter password",
    );
    const words = {
      idle: ["The screen locks in ", ". Touch anything to stay."],
      absolute: [
        "This session ends in ",
        ". Your password starts the next one without losing anything.",
      ],
      shift: [
        "Your shift's session ends in ",
        ". Finish, sign and hand over. If you work on, your password starts the next session.",
      ],
    }[kind];
    return h(
      "div",
      { id: "warning", class: "notice notice-warn", role: "alert" },
      h("p", {}, words[0], h("strong", { id: "warning-left", "aria-live": "off" }), words[1]),
      kind !== "idle" && renew,
    );
  }
}

/**
 * Say how old something is, and keep it up to date.
 * @param {Element} element
 * @param {number} at
 * @param {number} now
 */
export function age(element, at, now) {
  element.textContent = now - at < MINUTE ? "as of now" : `as of ${clockTime(at)}, ${ago(at, now)}`;
}
