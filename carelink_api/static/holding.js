// Who holds a page, from the login to the log-out. Everything that belongs to somebody hangs on one
// holder. It is cleared away as a whole when their session is over, and put out of sight while the
// screen is locked.

import { putAway, showWaiting } from "./entry.js";
import { fill } from "./ui.js";

/**
 * @typedef {object} Holder  what is shown to who is logged in
 * @property {import("./session/shapes.js").User} user
 * @property {() => void} open  show it
 * @property {() => void} wake  go on behind a lock screen that has been opened
 * @property {() => void} sleep  ask and count nothing behind a lock screen
 * @property {() => void} close  let go of everything
 * @property {(reachable: boolean) => void} onReachable
 * @property {(() => void) | undefined} [onSession]  the session has been renewed or moved
 */
/**
 * @template {Holder} T
 * @typedef {object} Views
 * @property {(user: import("./session/shapes.js").User) => T | null} make  null: it shows itself why not
 * @property {(reason: string | null) => void} showLogin
 * @property {(holder: T | null) => void} showLock
 */

/** @template {Holder} T */
export class Page {
  /** @type {T | null} */
  holder = null;
  /** Since when the screen is locked over somebody's work. @type {number | null} */
  lockedAt = null;
  /** @type {(() => void) | null} */
  #putBack = null;
  /** What is on the screen: a status and whose. */
  #shown = "";

  /**
   * @param {import("./session.js").Session} session
   * @param {Element} root
   * @param {Views<T>} views
   */
  constructor(session, root, views) {
    this.session = session;
    this.root = root;
    this.views = views;
  }

  /** Show what the session says from now on. */
  begin() {
    const { session } = this;
    session.addEventListener("change", () => this.#show());
    session.addEventListener("offline", () => this.holder?.onReachable(false));
    session.addEventListener("online", () => this.holder?.onReachable(true));
    // A page that comes back from the browser's memory may be another user's by now.
    addEventListener("pagehide", () => this.root.replaceChildren());
    addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
    showWaiting(this.root);
    session.restore().catch(() => {}); // it goes on trying: until then nobody knows who is here
  }

  #show() {
    const { status, user, reason } = this.session.state;
    const wanted = `${status} ${user?.id ?? ""} ${status === "active" ? "" : reason}`;
    if (wanted === this.#shown) return this.holder?.onSession?.();
    this.#shown = wanted;
    if (status === "active" && user) return this.#open(user);
    if (status === "locked") return this.#lock();
    this.#clear();
    return status === "signed-out" ? this.views.showLogin(reason) : showWaiting(this.root);
  }

  /** @param {import("./session/shapes.js").User} user */
  #open(user) {
    if (this.holder && this.holder.user.id !== user.id) this.#clear();
    if (this.holder && this.#putBack) {
      this.#putBack();
      this.#putBack = this.lockedAt = null;
      return this.holder.wake();
    }
    fill(this.root);
    this.holder ??= this.views.make(user);
    return this.holder?.open();
  }

  #lock() {
    if (this.holder && !this.#putBack) {
      this.lockedAt = Date.now();
      this.holder.sleep();
      this.#putBack = putAway(this.root);
    }
    this.views.showLock(this.holder);
  }

  #clear() {
    this.holder?.close();
    this.holder = this.#putBack = this.lockedAt = null;
    document.querySelectorAll("dialog, .toasts").forEach((each) => each.remove());
    fill(this.root);
  }
}
