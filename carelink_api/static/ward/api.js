// Calls of the API in the name of who is logged in. A read that the service cannot answer at the
// moment is asked again until it can. A write is sent again a few times where a key names it, so that
// it is done once whatever answer was lost; else, and then, who wrote is told, and tries again.

import { ProblemError, SessionEnded, Unreachable } from "../session.js";

/** @typedef {{background?: boolean, signal?: AbortSignal}} Reading */

const LONGEST_WAIT = 15;
const WRITES = 3;
/** Somebody waits before a form: longer is told. */
const PATIENCE = 5;
/** A proxy's words for a service that has not answered it, too. */
const UNANSWERED = [502, 503, 504];

export class Api extends EventTarget {
  #session;
  #troubled = 0;

  /** @param {import("../session.js").Session} session */
  constructor(session) {
    super();
    this.#session = session;
  }

  /**
   * Read, and go on trying while the service is busy or out of reach; `trouble` events tell so.
   * @param {string} path
   * @param {Reading} [options]
   * @returns {Promise<any>}
   */
  async get(path, { background = false, signal } = {}) {
    let troubled = false;
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await this.#call(path, { background, signal });
        } catch (error) {
          if (!(error instanceof Unreachable) || signal?.aborted) throw error;
          if (!troubled) this.#trouble(1);
          troubled = true;
          await pause(Math.min(LONGEST_WAIT, error.retryAfter ?? 2 ** attempt), signal);
        }
      }
    } finally {
      if (troubled) this.#trouble(-1);
    }
  }

  /**
   * Write. `version` is what the change was made of; `key` lets it be sent again.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {{version?: number, key?: string}} [options]
   * @returns {Promise<any>}
   */
  async send(method, path, body, { version, key } = {}) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (version !== undefined) headers["If-Match"] = `"${version}"`;
    if (key !== undefined) headers["Idempotency-Key"] = `"${key}"`;
    const sent = body === undefined ? undefined : JSON.stringify(body);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#call(path, { method, headers, body: sent });
      } catch (error) {
        if (!(error instanceof Unreachable) || key === undefined || attempt === WRITES) throw error;
        const wait = error.retryAfter ?? attempt;
        if (wait > PATIENCE) throw error;
        await pause(wait);
      }
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit & {background?: boolean}} init
   */
  async #call(path, init) {
    const answer = await this.#session.fetch(path, init);
    if (UNANSWERED.includes(answer.status)) {
      throw new Unreachable(
        await ProblemError.from(answer),
        Number(answer.headers.get("Retry-After")) || null,
      );
    }
    if (!answer.ok) throw await ProblemError.from(answer);
    return answer.status === 204 ? null : answer.json();
  }

  /** @param {number} more */
  #trouble(more) {
    this.#troubled += more;
    this.dispatchEvent(new CustomEvent("trouble", { detail: this.#troubled > 0 }));
  }
}

/**
 * @param {number} seconds
 * @param {AbortSignal} [signal]
 */
function pause(seconds, signal) {
  return new Promise((wake, stop) => {
    const timer = setTimeout(wake, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      stop(signal.reason);
    });
  });
}

/**
 * Whether an error needs no word of its own: the page is leaving the place where it happened.
 * @param {any} error
 */
export const isOver = (error) => error instanceof SessionEnded || error?.name === "AbortError";
