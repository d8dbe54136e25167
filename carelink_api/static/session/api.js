/**
 * The API as the client speaks to it. Whatever happens becomes one of three: an answer,
 * ProblemError (it has refused), Unreachable (it has not answered, or asks to wait).
 *
 * @typedef {import("./shapes.js").Grant} Grant
 * @typedef {import("./shapes.js").Pair} Pair
 */

import { ProblemError, Unreachable } from "./errors.js";
import { grantOf } from "./rules.js";

const REQUEST_MS = 10_000;
/** Calls that are sent again by themselves: to be throttled is no refusal of them. */
const TRIED_AGAIN = ["refresh/", "logout/"];
const CSRF_COOKIE = /(?:^|; )__Host-carelink_csrf=([^;]+)/;

export class Api {
  #byCookie;
  #reached;

  /**
   * @param {URL} base
   * @param {boolean} byCookie
   * @param {(reachable: boolean) => void} reached is told after every attempt
   */
  constructor(base, byCookie, reached) {
    this.base = base;
    this.#byCookie = byCookie;
    this.#reached = reached;
  }

  /** @param {string} name */
  url(name) {
    return new URL(`api/auth/${name}`, this.base);
  }

  /**
   * Ask for a pair of tokens. Throws ProblemError, Unreachable.
   * @param {string} name
   * @param {object} body
   * @param {AbortSignal} signal
   * @param {Record<string, string>} headers
   * @returns {Promise<Grant>}
   */
  async pair(name, body, signal, headers = {}) {
    const answer = await this.post(name, body, signal, headers);
    /** @type {Pair} */
    const pair = await this.#wait(answer.json(), signal);
    return grantOf(pair, Date.now());
  }

  /**
   * Post to the auth API, with the cookie where that is how the refresh token travels.
   * @param {string} name
   * @param {object} body
   * @param {AbortSignal} signal
   * @param {Record<string, string>} headers
   */
  async post(name, body, signal, headers = {}) {
    const init = {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
      credentials: /** @type {RequestCredentials} */ (this.#byCookie ? "include" : "omit"),
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
    };
    const answer = await this.#wait(fetch(this.url(name), init), signal);
    if (answer.ok) return answer;
    const problem = await ProblemError.from(answer);
    const mayWait = TRIED_AGAIN.includes(name) && answer.status === 429;
    if (answer.status < 500 && !mayWait) throw problem;
    throw new Unreachable(problem, problem.retryAfter);
  }

  /**
   * Send an app's request with the access token.
   * @param {Request} request
   * @param {string} access
   * @param {boolean} background
   * @param {AbortSignal} life
   * @param {RequestCredentials} credentials
   */
  send(request, access, background, life, credentials = request.credentials) {
    request.headers.set("Authorization", `Bearer ${access}`);
    if (background) request.headers.set("X-CareLink-Background", "1");
    const signal = AbortSignal.any([request.signal, life]);
    return this.#wait(fetch(request, { signal, credentials }), signal);
  }

  /**
   * @template T
   * @param {Promise<T>} arriving
   * @param {AbortSignal} signal of whoever gave up on purpose
   */
  async #wait(arriving, signal) {
    try {
      const arrived = await arriving;
      this.#reached(true);
      return arrived;
    } catch (error) {
      signal.throwIfAborted();
      this.#reached(false);
      throw new Unreachable(error);
    }
  }
}

/** Return the value that goes with the cookie, where the page may read it. */
export const csrfCookie = () => CSRF_COOKIE.exec(document.cookie)?.[1] ?? null;

/**
 * Return whether the API has refused the access token itself (RFC 6750 §3.1).
 * @param {Response} answer
 */
export function refusesToken(answer) {
  const challenge = answer.headers.get("WWW-Authenticate") ?? "";
  return answer.status === 401 && challenge.includes('error="invalid_token"');
}
