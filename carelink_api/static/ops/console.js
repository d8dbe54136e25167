// The frame of the console: bar, tabs, what is asked for again and again, and the state of it all.

import { ProblemError } from "../session.js";
import { Api, isOver } from "../ward/api.js";
import { changePassword } from "../passwords.js";
import { $, clockTime, explain, fill, h } from "../ui.js";
import { showAccounts } from "./accounts.js";
import { showDenylist } from "./denylist.js";
import { showEmergencies } from "./emergencies.js";
import { showEvents } from "./events.js";
import { showHealth } from "./health.js";
import { showNow } from "./now.js";
import { showReviews } from "./reviews.js";
import { chooseAndRevoke } from "./revoke.js";
import { showSessions } from "./sessions.js";

/**
 * @typedef {object} View  a tab's content, and how it is kept up to date
 * @property {Node} element
 * @property {(() => Promise<void>) | undefined} [poll]
 * @property {number} [every]  seconds between two polls
 */
/** @typedef {(board: Console, signal: AbortSignal, query: URLSearchParams) => View} Show */

/** @type {Record<string, [string, Show]>} */
const TABS = {
  now: ["Now", showNow],
  sessions: ["Sessions", showSessions],
  events: ["Events", showEvents],
  denylist: ["Denylist", showDenylist],
  emergencies: ["Emergencies", showEmergencies],
  health: ["Stores", showHealth],
  reviews: ["Review queue", showReviews],
  accounts: ["Accounts", showAccounts],
};
/** What each user type finds here. @type {Record<string, string[]>} */
export const TABS_OF = {
  ops: ["now", "sessions", "events", "denylist", "emergencies", "health"],
  admin: ["reviews", "accounts"],
};
const HEALTH_EVERY = 15;
const SECOND = 1000;

export class Console {
  #leaving = new AbortController();
  #left = new AbortController();
  /** @type {View | null} */
  #view = null;
  #timer = 0;
  #polledAt = 0;
  #healthAt = 0;
  #polling = false;
  #complains = false;
  #awake = false;
  /** Somebody has gone back or on behind the lock screen, which stays where it is. */
  #moved = false;
  /** What is to happen when the screen is unlocked. @type {(() => void) | null} */
  #due = null;

  /**
   * @param {import("../session.js").Session} session
   * @param {Element} root
   */
  constructor(session, root) {
    this.session = session;
    this.root = root;
    this.user = /** @type {import("../session/shapes.js").User} */ (session.state.user);
    this.tabs = TABS_OF[this.user.user_type] ?? [];
    this.operates = this.user.user_type === "ops";
    this.api = new Api(session);
  }

  open() {
    fill(
      this.root,
      this.#bar(),
      h("div", { class: "trouble", id: "trouble", role: "alert" }),
      h("main", { id: "main", class: "page", tabindex: "-1" }),
    );
    addEventListener("hashchange", () => this.#onHash(), { signal: this.#leaving.signal });
    this.#go();
    this.wake();
  }

  close() {
    this.sleep();
    this.#due = null;
    this.#left.abort();
    this.#leaving.abort();
  }

  wake() {
    clearInterval(this.#timer);
    this.#awake = true;
    this.#timer = setInterval(() => this.#tick(), SECOND);
    this.#polledAt = this.#healthAt = 0;
    if (this.#moved) this.#onHash();
    else this.#tick();
    const due = this.#due;
    this.#due = null;
    due?.();
  }

  /**
   * Go on with what was begun: over a lock screen nothing opens, whatever answer arrives.
   * @param {() => void} act
   */
  whenAwake(act) {
    if (this.#awake) act();
    else this.#due = act;
  }

  sleep() {
    this.#awake = false;
    clearInterval(this.#timer);
  }

  /** @param {boolean} reachable */
  onReachable(reachable) {
    const place = document.querySelector("#trouble");
    if (!place) return;
    const words = "CareLink cannot be reached. What is shown is old; it is asked for again by itself.";
    fill(place, !reachable && h("div", { class: "notice notice-bad" }, h("p", { class: "strong" }, words)));
  }

  /**
   * Go to a tab: `board.goTo("sessions", {unit_id: 4})`.
   * @param {string} name
   * @param {Record<string, string | number>} [query]
   */
  goTo(name, query = {}) {
    const asked = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
    const hash = `#${name}${asked.size ? `?${asked}` : ""}`;
    if (location.hash === hash) this.#go();
    else location.hash = hash;
  }

  /** Ask again for what the present tab shows. */
  refresh() {
    this.#polledAt = 0;
    this.#tick();
  }

  #bar() {
    const links = this.tabs.map((name) =>
      h("a", { class: "tab", href: `#${name}`, dataset: { tab: name } }, TABS[name]?.[0]),
    );
    return h(
      "header",
      { class: "topbar ops-bar" },
      h("a", { class: "brand", href: `#${this.tabs[0]}` }, h("img", { src: "/static/icon.svg", alt: "" }), "CareLink ", h("small", {}, "operations")),
      h("nav", { class: "tabs ops-tabs", "aria-label": "Console" }, links),
      this.operates && h("a", { class: "badge ops-pill push", id: "pill", href: "#health" }, "…"),
      h(
        "div",
        { class: `row ops-end ${this.operates ? "" : "push"}` },
        this.operates &&
          h("button", { class: "button button-danger", type: "button", on: { click: () => chooseAndRevoke(this) } }, "Revoke …"),
        h("button", { class: "button button-quiet", type: "button", on: { click: () => changePassword(this.session) } }, "Password"),
        h("button", { class: "button button-quiet", type: "button", on: { click: () => this.session.lock() } }, "Lock"),
        h("button", { class: "button button-quiet", type: "button", title: this.user.email, on: { click: () => this.session.logout() } }, "Log out"),
      ),
    );
  }

  #onHash() {
    this.#moved = !this.#awake;
    if (this.#awake) this.#go();
  }

  #go() {
    const [name = "", query = ""] = location.hash.slice(1).split("?");
    if (name === "main" && this.#view) return; // the way past the bar
    const tab = this.tabs.includes(name) ? name : /** @type {string} */ (this.tabs[0]);
    const [title, show] = /** @type {[string, Show]} */ (TABS[tab]);
    this.#left.abort();
    this.#left = new AbortController();
    this.#view = show(this, this.#left.signal, new URLSearchParams(query));
    this.#polling = false;
    fill($("#main"), this.#view.element);
    for (const link of document.querySelectorAll(".ops-tabs .tab")) {
      if (/** @type {HTMLElement} */ (link).dataset.tab === tab) {
        link.setAttribute("aria-current", "page");
        const [place, at] = [/** @type {HTMLElement} */ (link.parentElement), /** @type {HTMLElement} */ (link)];
        place.scrollLeft = at.offsetLeft - place.offsetLeft - 24;
      } else link.removeAttribute("aria-current");
    }
    document.title = `${title} – CareLink operations`;
    this.refresh();
  }

  #tick() {
    if (document.hidden) return;
    const now = Date.now();
    const view = this.#view;
    if (view?.poll && !this.#polling && now - this.#polledAt >= (view.every ?? 10) * SECOND) this.#poll(view);
    if (this.operates && now - this.#healthAt >= HEALTH_EVERY * SECOND) {
      this.#healthAt = now;
      this.#lookAtHealth();
    }
  }

  /** @param {View} view */
  async #poll(view) {
    this.#polling = true;
    try {
      await view.poll?.();
      if (this.#complains) fill($("#trouble"));
      this.#complains = false;
    } catch (error) {
      if (!isOver(error)) this.#complain(error);
    } finally {
      if (view === this.#view) {
        this.#polledAt = Date.now();
        this.#polling = false;
      }
    }
  }

  /** @param {unknown} error */
  #complain(error) {
    const place = document.querySelector("#trouble");
    this.#complains = true;
    if (place) fill(place, h("div", { class: "notice notice-warn" }, h("p", {}, `${clockTime(this.session.now())}: ${explain(error)}`)));
  }

  async #lookAtHealth() {
    const pill = document.querySelector("#pill");
    if (!pill) return;
    try {
      const health = await this.ask("/api/ops/health/");
      const worst = health.findings.filter((/** @type {any} */ each) => each.state !== "ok");
      const bad = worst.some((/** @type {any} */ each) => each.state === "bad");
      pill.className = `badge ops-pill push ${bad ? "badge-bad" : worst.length ? "badge-warn" : "badge-good"}`;
      fill(pill, h("span", { class: "dot", "aria-hidden": "true" }), worst.length ? (worst.length > 1 ? `${worst.length} to look at` : `See ${worst[0].name}`) : "Stores well");
    } catch (error) {
      if (isOver(error)) return;
      pill.className = "badge ops-pill push badge-bad";
      fill(pill, h("span", { class: "dot", "aria-hidden": "true" }), "Not known");
    }
  }

  /**
   * Ask in the background, once: whoever polls asks again anyway. Throws as the session does.
   * @param {string} path
   * @param {AbortSignal} [signal]
   */
  async ask(path, signal) {
    const answer = await this.session.fetch(path, { background: true, signal });
    if (!answer.ok) throw await ProblemError.from(answer);
    return answer.json();
  }
}
