/**
 * What the tabs of one browser share: news, a lock, and a note that outlives a reload. Each of
 * them may be missing; the server is right without them, the tabs only ask it more often.
 *
 * @typedef {import("./shapes.js").Message} Message
 * @typedef {import("./shapes.js").Note} Note
 */

/** Who holds the lock for longer hangs; it is left to the server that two refresh at once. */
const LOCK_MS = 3_000;
/** The news of a refresh in another tab arrives after its lock is free, but not much. */
const NEWS_MS = 1_000;

/** @param {number} ms */
export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

export class Tabs {
  #name;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  #locks;
  /** @type {globalThis.Storage | null} */
  #notes = null;
  /** Where nothing can be stored. @type {string} */
  #memory = "{}";

  /**
   * @param {string} name of what they share
   * @param {boolean} shared whether they share anything
   * @param {(message: Message) => void} hear
   */
  constructor(name, shared, hear) {
    this.#name = name;
    this.#locks = shared ? navigator.locks : undefined;
    if (!shared) return;
    if ("BroadcastChannel" in globalThis) {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = (event) => hear(event.data);
    }
    try {
      this.#notes = globalThis.localStorage;
    } catch {
      this.#notes = null; // a browser that lets pages store nothing
    }
  }

  /**
   * Tell the other tabs.
   * @param {Message} message
   */
  tell(message) {
    this.#channel?.postMessage(message);
  }

  /**
   * Do something that no other tab does at the same time. `work` hears whether it had to wait.
   * @template T
   * @param {(waited: boolean) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async alone(work) {
    if (!this.#locks) return work(false);
    /** @type {Promise<T> | null} */
    let begun = null;
    const begin = (/** @type {boolean} */ waited) => (begun = work(waited));
    const held = await this.#locks.request(this.#name, { ifAvailable: true }, (lock) =>
      lock ? begin(false).then(() => true) : false,
    );
    if (held && begun) return begun;
    const signal = AbortSignal.timeout(LOCK_MS);
    return this.#locks
      .request(this.#name, { signal }, () => begin(true))
      .catch(() => begun ?? begin(false));
  }

  /**
   * Wait until the news that `done` looks for has come, or will not.
   * @param {() => boolean} done
   */
  async news(done) {
    for (const until = Date.now() + NEWS_MS; !done() && Date.now() < until; ) await sleep(20);
  }

  /** @returns {Note} */
  get note() {
    try {
      return JSON.parse(this.#notes ? (this.#notes.getItem(this.#name) ?? "{}") : this.#memory);
    } catch {
      return {};
    }
  }

  /** @param {Note} note */
  set note(note) {
    this.#memory = JSON.stringify(note);
    try {
      this.#notes?.setItem(this.#name, this.#memory);
    } catch {
      // Full or forbidden: a reload will not know, and ask the server.
    }
  }

  close() {
    this.#channel?.close();
  }
}
