/** What can go wrong, one class for each thing that an app can do differently. */

/** @typedef {import("./shapes.js").Problem} Problem */

/** The session is over, or locked: `reason` says why. Ask for the password. */
export class SessionEnded extends Error {
  /** @param {string | null} reason */
  constructor(reason) {
    super(`There is no session to call with: ${reason ?? "nobody has logged in"}.`);
    this.name = "SessionEnded";
    this.reason = reason;
  }
}

/** The API has refused; `problem` is its answer (RFC 9457). */
export class ProblemError extends Error {
  /**
   * @param {number} status
   * @param {Problem} problem
   * @param {number | null} [retryAfter] seconds, where the API has said
   */
  constructor(status, problem, retryAfter = null) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.name = "ProblemError";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /**
   * Read a refusal, whatever its body is.
   * @param {Response} answer
   */
  static async from(answer) {
    const problem = await answer.json().catch(() => ({}));
    const seconds = answer.headers.get("Retry-After");
    return new ProblemError(answer.status, problem, seconds === null ? null : Number(seconds) || 0);
  }
}

/** The API cannot be reached, or asks to wait. Nothing is lost: try again. */
export class Unreachable extends Error {
  /**
   * @param {unknown} cause
   * @param {number | null} [retryAfter] seconds, where the API has said
   */
  constructor(cause, retryAfter = null) {
    super("CareLink cannot be reached.", { cause });
    this.name = "Unreachable";
    this.retryAfter = retryAfter;
  }
}
