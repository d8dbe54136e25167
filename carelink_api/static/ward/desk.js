// The desk of who is logged in: the bar, the place they are at, their drafts. Nothing of it is kept
// anywhere but in this object and the document.

import { $, explain, fill, h, toast } from "../ui.js";
import { Api, isOver } from "./api.js";
import { showBoard } from "./board.js";
import { showChart } from "./chart.js";
import { ShiftClock } from "./clock.js";
import { askPassword } from "./forms.js";
import { bar } from "./bar.js";

/** @typedef {{name: "board"} | {name: "chart", patientId: number}} Place */
/** @typedef {{refresh: (background: boolean) => void, tick?: () => void, everyMs: number}} Shown */

const TICK_MS = 1000;
const MINUTE_MS = 60_000;

export class Desk {
  /** What was typed and not sent, by form. @type {Map<string, Record<string, string>>} */
  drafts = new Map();
  /** By draft: what names its request. @type {Map<string, string>} */
  keys = new Map();
  /** @type {Place[]} */
  #places = [{ name: "board" }];
  /** @type {Shown | null} */
  #shown = null;
  #leaving = new AbortController();
  #awake = false;
  /** What is to happen when the screen is unlocked. @type {(() => void) | null} */
  #due = null;
  #looked = 0;
  #refreshed = 0;
  #timer = 0;

  /**
   * @param {import("../session.js").Session} session
   * @param {Element} root
   */
  constructor(session, root) {
    this.session = session;
    this.root = root;
    this.user = /** @type {import("../session/shapes.js").User} */ (session.state.user);
    this.api = new Api(session);
    this.clock = new ShiftClock(this);
    this.api.addEventListener("trouble", (event) =>
      this.#showTrouble(/** @type {CustomEvent} */ (event).detail),
    );
    this.onPop = (/** @type {PopStateEvent} */ event) => this.#onPop(event);
    this.onSeen = () => this.#poll(MINUTE_MS);
  }

  open() {
    const main = h("main", { id: "main", class: "page", tabindex: "-1" });
    fill(this.root, bar(this), h("div", { class: "notices", id: "notices" }), main);
    addEventListener("popstate", this.onPop);
    document.addEventListener("visibilitychange", this.onSeen);
    history.replaceState({ place: 0 }, "", "/");
    this.wake();
    this.show({ name: "board" });
  }

  close() {
    this.sleep();
    this.#leaving.abort();
    removeEventListener("popstate", this.onPop);
    document.removeEventListener("visibilitychange", this.onSeen);
    this.drafts.clear();
    this.keys.clear();
    this.#places = [];
    this.#shown = null;
    this.#due = null;
    history.replaceState(null, "", "/");
  }

  /** Nothing is asked or counted while the screen is locked. */
  sleep() {
    this.#awake = false;
    clearInterval(this.#timer);
  }

  wake() {
    if (this.#awake) return;
    this.#awake = true;
    this.#timer = window.setInterval(() => this.#tick(), TICK_MS);
    this.#look();
    this.refresh();
    const due = this.#due;
    this.#due = null;
    due?.();
  }

  /**
   * Go on with what was begun: behind a lock screen nothing moves, whatever answer arrives.
   * @param {() => void} act
   */
  whenAwake(act) {
    if (this.#awake) act();
    else this.#due = act;
  }

  /**
   * Go somewhere, so that the browser's way back leads here again. The address says nothing.
   * @param {Place} place
   */
  go(place) {
    this.whenAwake(() => this.#go(place));
  }

  /** @param {Place} place */
  #go(place) {
    this.#places.push(place);
    history.pushState({ place: this.#places.length - 1 }, "", "/");
    this.show(place);
  }

  /** @param {PopStateEvent} event */
  #onPop(event) {
    const place = this.#places[event.state?.place ?? 0];
    if (this.#awake) this.show(place ?? { name: "board" });
  }

  /** @param {Place} place */
  show(place) {
    this.#leaving.abort();
    this.#leaving = new AbortController();
    const main = $("#main");
    main.replaceChildren();
    scrollTo(0, 0);
    const { signal } = this.#leaving;
    this.#refreshed = Date.now();
    this.#shown =
      place.name === "chart"
        ? showChart(this, main, place.patientId, signal)
        : showBoard(this, main, signal);
    if (document.activeElement === document.body || !document.activeElement)
      main.focus({ preventScroll: true });
  }

  /** Ask again for what is shown, in the user's name or, where only time has passed, in none. */
  refresh(background = false) {
    this.#refreshed = Date.now();
    this.#shown?.refresh(background);
  }

  #look() {
    this.#looked = Date.now();
    this.clock.look();
  }

  #tick() {
    this.clock.tick();
    this.#shown?.tick?.();
    this.#poll();
  }

  /**
   * While the page is seen, ask again for what is older than it may be.
   * @param {number} [everyMs]
   */
  #poll(everyMs = this.#shown?.everyMs ?? MINUTE_MS) {
    if (!this.#awake || document.visibilityState !== "visible") return;
    if (Date.now() - this.#looked >= MINUTE_MS) this.#look();
    if (Date.now() - this.#refreshed >= everyMs) this.refresh(true);
  }

  onSession() {
    this.clock.tick();
  }

  /** @param {{kind: string, secondsLeft: number}} warning */
  onWarning({ kind }) {
    if (this.#awake) this.clock.warn(kind);
  }

  /** @param {boolean} reachable */
  onReachable(reachable) {
    this.#showTrouble(!reachable);
    if (reachable && this.#awake) this.refresh(true);
  }

  /** @param {boolean} troubled */
  #showTrouble(troubled) {
    const known = this.root.querySelector("#trouble");
    if (!troubled) return known?.remove();
    if (known || !this.#awake) return undefined;
    const text =
      "CareLink does not answer at the moment. What you see may be old; nothing you type is lost. Trying again …";
    return $("#notices", this.root).append(
      h(
        "div",
        { id: "trouble", class: "notice notice-warn", role: "status" },
        h("span", { class: "spinner", "aria-hidden": "true" }),
        h("p", {}, text),
      ),
    );
  }

  /** Ask for the password in place: the next session takes over. */
  async renew() {
    if (await askPassword(this)) {
      this.clock.look();
      toast("Your next session has begun. Nothing was lost.");
    }
  }

  /**
   * Do something, and say calmly where it did not work.
   * @param {() => Promise<unknown>} action
   */
  async attempt(action) {
    try {
      return await action();
    } catch (error) {
      if (!isOver(error)) toast(explain(error), "bad");
      return undefined;
    }
  }
}
