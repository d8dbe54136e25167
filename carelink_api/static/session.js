/**
 * CareLink's session client: log in, call the API, stay logged in silently, log out.
 *
 * The access token lives in this page's memory only. One rule for who refreshes: whoever needs a
 * newer token takes the browser-wide lock, looks whether another tab has brought one meanwhile,
 * and asks the server only if not. One rule for what ends a session: a refused refresh, or the
 * user; never a failure to reach the server.
 *
 * docs/session-client.md describes it for users.
 */

import { ProblemError, SessionEnded, Unreachable } from "./session/errors.js";
import * as rules from "./session/rules.js";
import { Tabs, sleep } from "./session/tabs.js";

export { ProblemError, SessionEnded, Unreachable };

/**
 * @typedef {import("./session/shapes.js").Grant} Grant
 * @typedef {import("./session/shapes.js").Message} Message
 * @typedef {import("./session/shapes.js").Options} Options
 * @typedef {import("./session/shapes.js").Pair} Pair
 * @typedef {import("./session/shapes.js").Source} Source
 * @typedef {import("./session/shapes.js").State} State
 * @typedef {{userType?: string, deviceName?: string}} LoginOptions
 */

const TICK_MS = 5_000; // a clock looked at, not a timer set: it survives sleep and throttling
const REQUEST_MS = 10_000;
const ATTEMPTS = 3;
const PATIENCE_MS = 5_000;
const NEVER = { idle: null, absolute: null, shift: null };
const INPUT = ["pointerdown", "keydown", "wheel"];
const NOBODY = /** @type {State} */ (
  Object.freeze({ status: "signed-out", user: null, session: null, reason: null, ends: NEVER })
);

/** @param {Options} [options] */
export const createSession = (options) => new Session(options);

export class Session extends EventTarget {
  /** @type {State} */
  state = Object.freeze({ ...NOBODY, status: "unknown" });
  /** @type {Grant | null} */
  #grant = null;
  /** @type {Promise<Grant> | null} */
  #refreshing = null;
  /** Aborted when the session ends: what is under way then never arrives. */
  #life = new AbortController();
  /** Ends when the page lets go of the client. */
  #open = new AbortController();
  /** @type {Set<string>} */
  #over = new Set();
  /** @type {Set<string>} */
  #warned = new Set();
  #base;
  #options;
  #tabs;
  #offset = 0;
  #lastActiveAt = 0;
  #lastCallAt = 0;
  #toldActiveAt = 0;
  #askAgainAt = 0;
  #reachable = true;

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    this.#base = new URL(options.baseUrl ?? "/", location.href);
    this.#options = { transport: "cookie", lockAfterSeconds: 0, ...options };
    const shared = this.#byCookie || options.storage !== undefined;
    this.#tabs = new Tabs(`carelink ${this.#base.href}`, shared, (news) => this.#hear(news));
    const { signal } = this.#open;
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    const wake = () => this.#tick();
    addEventListener("pageshow", wake, { signal });
    addEventListener("online", () => this.#onLine(), { signal });
    document.addEventListener("visibilitychange", wake, { signal });
    const seen = { signal, capture: true, passive: true };
    for (const kind of INPUT) document.addEventListener(kind, () => this.#onInput(), seen);
  }

  /** The server's clock, in milliseconds. */
  now() {
    return Date.now() + this.#offset;
  }

  /**
   * Go on with the session that this browser has, if any: call it once when the page loads.
   * Throws Unreachable, and is tried again when the browser is back online.
   * @returns {Promise<State>}
   */
  async restore() {
    const { leaving, locked } = this.#tabs.note;
    if (leaving) await this.#leave(null).catch(() => {});
    if (leaving || !(await this.#mayRefresh())) return this.#set(NOBODY);
    try {
      await this.#refresh();
      if (locked && locked === this.#grant?.session.id) this.lock();
    } catch (error) {
      if (!(error instanceof SessionEnded)) throw error;
    }
    return this.state;
  }

  /**
   * Log in. Throws ProblemError (`invalid_credentials`, `outside_shift`, `throttled` …) and
   * Unreachable; a session that was there before goes on then.
   * @param {string} email
   * @param {string} password
   * @param {LoginOptions} [more]
   * @returns {Promise<State>}
   */
  async login(email, password, { userType, deviceName = this.#options.deviceName } = {}) {
    if (this.#tabs.note.leaving) await this.#leave(null);
    const { transport } = this.#options;
    const body = { email, password, user_type: userType, device_name: deviceName, transport };
    return this.#tabs.alone(async () => {
      const former = this.#grant;
      const grant = await this.#pair("login", body, this.#open.signal);
      if (this.state.user && this.state.user.id !== grant.user.id) this.#end("other_user");
      await this.#take(grant, "login");
      if (former) this.#retire(former);
      return this.state;
    });
  }

  /**
   * Ask the same person for the password where they are: near an end, or to unlock. A new session
   * takes over and the earlier one ends. Throws as `login` does.
   * @param {string} password
   */
  async reauthenticate(password) {
    const { user } = this.state;
    if (!user) throw new SessionEnded(this.state.reason);
    return this.login(user.email, password, { userType: user.user_type });
  }

  /**
   * Call the API as `fetch` does, with the access token; a token that is spent or refused is
   * refreshed, and the call sent once more. `background: true` marks what the user did not cause.
   * Throws SessionEnded (also for an answer that comes after the end) and Unreachable.
   * @param {RequestInfo | URL} input
   * @param {RequestInit & {background?: boolean}} [init]
   * @returns {Promise<Response>}
   */
  async fetch(input, { background = false, ...init } = {}) {
    const request = new Request(input instanceof Request ? input : new URL(input, this.#base), init);
    if (new URL(request.url).origin !== this.#base.origin)
      throw new TypeError("An access token goes to its own API only.");
    const life = this.#life.signal;
    const used = await this.#usable();
    let answer = await this.#send(request.clone(), used, background, life);
    if (refusesToken(answer)) {
      const newer = this.#grant === used ? await this.#refresh() : await this.#usable();
      answer = await this.#send(request, newer, background, life);
    }
    if (!background && answer.status !== 401) this.#active((this.#lastCallAt = this.now()));
    return answer;
  }

  /** Cover the screen: nothing is called or refreshed until `reauthenticate`, in any tab. */
  lock(reason = "locked") {
    const { session, status } = this.state;
    if (status !== "active" || !session) return;
    this.#tabs.note = { locked: session.id };
    this.#set({ ...this.state, status: "locked", reason });
    this.#tabs.tell({ kind: "locked", sid: session.id });
  }

  /**
   * Log out: at once in every tab; settles when the server has taken it, however long it is away.
   */
  async logout() {
    const last = this.#grant;
    this.#tabs.note = { leaving: true };
    this.#end("logged_out");
    for (let attempt = 0; this.#tabs.note.leaving || last?.refresh; attempt++) {
      try {
        return await this.#leave(last);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        await sleep(rules.waitBefore(attempt, error.retryAfter, Math.random()));
      }
    }
  }

  /** Log out on every device. Throws, and leaves all as it is, where the server does not take it. */
  async logoutEverywhere() {
    const answer = await this.fetch(this.#url("logout-all"), { method: "POST" });
    if (!answer.ok) throw await ProblemError.from(answer);
    await this.logout();
  }

  /** Let go of timers and listeners; the session goes on. */
  close() {
    this.#open.abort();
    this.#tabs.close();
  }

  get #byCookie() {
    return this.#options.transport === "cookie";
  }

  /** @param {string} name */
  #url(name) {
    return new URL(`api/auth/${name}/`, this.#base);
  }

  /** Return a token to call with, refreshed first where it is spent. Throws SessionEnded. */
  async #usable() {
    if (this.state.status !== "active" || !this.#grant) throw new SessionEnded(this.state.reason);
    return rules.isSpent(this.#grant, this.now()) ? this.#refresh() : this.#grant;
  }

  /**
   * @param {Request} request
   * @param {Grant} grant
   * @param {boolean} background
   * @param {AbortSignal} life
   */
  async #send(request, grant, background, life) {
    request.headers.set("Authorization", `Bearer ${grant.access}`);
    if (background) request.headers.set("X-CareLink-Background", "1");
    const signal = AbortSignal.any([request.signal, life]);
    return this.#reach(fetch(request, { signal, credentials: "omit" }), signal);
  }

  /** Refresh: one at a time in this page, and in this browser. */
  #refresh() {
    return (this.#refreshing ??= this.#renew(this.#grant).finally(() => {
      this.#refreshing = null;
    }));
  }

  /**
   * @param {Grant | null} had
   * @returns {Promise<Grant>}
   */
  async #renew(had) {
    const life = this.#life.signal;
    if (this.now() < this.#askAgainAt)
      throw new Unreachable(null, (this.#askAgainAt - this.now()) / 1000);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#tabs.alone((waited) => this.#renewAlone(had, waited, life));
      } catch (error) {
        life.throwIfAborted();
        if (!(error instanceof Unreachable)) throw error;
        const wait = rules.waitBefore(attempt, error.retryAfter, Math.random());
        if (attempt + 1 === ATTEMPTS || wait > PATIENCE_MS) {
          this.#askAgainAt = this.now() + wait;
          throw error;
        }
        await sleep(wait);
        life.throwIfAborted();
      }
    }
  }

  /**
   * @param {Grant | null} had
   * @param {boolean} waited
   * @param {AbortSignal} life
   */
  async #renewAlone(had, waited, life) {
    if (waited) await this.#tabs.news(() => this.#grant !== had || life.aborted);
    life.throwIfAborted();
    if (this.#grant && this.#grant !== had) return this.#grant; // another tab was first
    try {
      const grant = await this.#pair("refresh", await this.#refreshBody(), life);
      return await this.#take(grant, "refresh");
    } catch (error) {
      life.throwIfAborted();
      if (error instanceof ProblemError && endsSession(error)) {
        this.#end(error.problem.reason ?? "logged_out");
        throw new SessionEnded(this.state.reason);
      }
      throw error;
    }
  }

  /** Return whether there is something to refresh with; what is not asked for is not refused. */
  async #mayRefresh() {
    return this.#byCookie ? csrf() !== null : (await this.#stored()) !== null;
  }

  async #stored() {
    const { storage } = this.#options;
    return storage ? await storage.load() : (this.#grant?.refresh ?? null);
  }

  async #refreshBody() {
    return this.#byCookie ? {} : { refresh: (await this.#stored()) ?? "" };
  }

  /**
   * Ask for a pair of tokens. Throws ProblemError, Unreachable.
   * @param {string} name
   * @param {object} body
   * @param {AbortSignal} life
   */
  async #pair(name, body, life) {
    const answer = await this.#post(name, body, life);
    if (!answer.ok) throw await ProblemError.from(answer);
    const pair = /** @type {Pair} */ (await this.#reach(answer.json(), life));
    return rules.grantOf(pair, Date.now());
  }

  /**
   * @param {string} name
   * @param {object} body
   * @param {AbortSignal} life
   */
  async #post(name, body, life) {
    const headers = new Headers({ "Content-Type": "application/json" });
    const token = this.#byCookie && name !== "login" ? csrf() : null;
    if (token !== null) headers.set("X-CareLink-CSRF", token);
    const signal = AbortSignal.any([life, AbortSignal.timeout(REQUEST_MS)]);
    const credentials = this.#byCookie ? "include" : "omit";
    const init = { method: "POST", headers, body: JSON.stringify(body), signal };
    const answer = await this.#reach(fetch(this.#url(name), { ...init, credentials }), life);
    if (answer.status === 429 && name === "login") return answer; // for the user to read
    if (answer.status === 429 || answer.status >= 500) {
      const after = rules.retryAfterSeconds(answer.headers.get("Retry-After"), this.now());
      throw new Unreachable(await ProblemError.from(answer), after);
    }
    return answer;
  }

  /**
   * Wait for an answer, or for its body. Throws Unreachable where none comes.
   * @template T
   * @param {Promise<T>} arriving
   * @param {AbortSignal} given up on purpose
   */
  async #reach(arriving, given) {
    try {
      const arrived = await arriving;
      given.throwIfAborted();
      this.#reached(true);
      return arrived;
    } catch (error) {
      given.throwIfAborted();
      this.#reached(false);
      throw new Unreachable(error);
    }
  }

  /** @param {boolean} reachable */
  #reached(reachable) {
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    this.dispatchEvent(new Event(reachable ? "online" : "offline"));
  }

  /**
   * Take over tokens. Throws SessionEnded for what comes too late or is somebody else's.
   * @param {Grant} grant
   * @param {Source} from
   */
  async #take(grant, from) {
    const byPassword = from === "login" || from === "login elsewhere";
    const tell = from === "login" || from === "refresh";
    const mine = {
      grant: this.#grant,
      userId: this.state.user?.id ?? null,
      locked: this.state.status === "locked",
      over: this.#over,
    };
    const verdict = rules.judge(mine, grant, from);
    if (verdict === "other_user") this.#end("other_user");
    if (verdict !== "take") throw new SessionEnded(this.state.reason);
    if (tell && grant.refresh) await this.#options.storage?.save(grant.refresh);
    this.#grant = grant;
    this.#offset = grant.offset;
    this.#askAgainAt = 0;
    if (byPassword) this.#lastActiveAt = this.#lastCallAt = grant.issuedAt;
    this.#lastActiveAt ||= grant.issuedAt;
    if (byPassword && tell) this.#tabs.note = {};
    if (tell) this.#tabs.tell({ kind: "grant", grant, byPassword });
    const { user, session } = grant;
    this.#set({ status: "active", user, session, reason: null, ends: this.#ends(session) });
    return grant;
  }

  /** @param {Message} news */
  #hear(news) {
    if (news.kind === "grant") {
      const from = news.byPassword ? "login elsewhere" : "refresh elsewhere";
      this.#take(news.grant, from).catch(() => {});
      return;
    }
    if (news.sid !== this.state.session?.id) return;
    if (news.kind === "ended") this.#end(news.reason, false);
    if (news.kind === "locked") this.lock();
    if (news.kind === "active") this.#active(news.at, false);
  }

  /**
   * The session is over: forget it here and in the other tabs.
   * @param {string} reason
   */
  #end(reason, tell = true) {
    const { session, user } = this.state;
    if (session) this.#over.add(session.id);
    const life = this.#life;
    this.#life = new AbortController();
    this.#grant = null;
    this.#refreshing = null;
    this.#warned.clear();
    const status = user ? rules.statusAfter(reason) : "signed-out";
    const kept = status === "locked" ? { user, session } : {};
    this.#set({ ...NOBODY, ...kept, status, reason });
    life.abort(new SessionEnded(reason));
    if (tell) {
      if (reason !== "other_user") this.#options.storage?.clear();
      if (session && reason !== "other_user")
        this.#tabs.tell({ kind: "ended", sid: session.id, reason });
    }
    if (session) this.dispatchEvent(new CustomEvent("ended", { detail: { reason } }));
  }

  /**
   * Tell the server of a log-out. Throws Unreachable.
   * @param {Grant | null} last
   */
  async #leave(last) {
    const body = last?.refresh ? { refresh: last.refresh } : {};
    const known = this.#byCookie ? csrf() !== null : last !== null;
    const { signal } = this.#open;
    if (known) await this.#tabs.alone(() => this.#post("logout", body, signal));
    this.#tabs.note = {};
  }

  /**
   * End a session that another has taken the place of; where that fails it runs out by itself.
   * @param {Grant} former
   */
  #retire(former) {
    const grant = this.#grant;
    const sid = former.session.id;
    if (!grant || sid === grant.session.id) return;
    const own = former.user.id === grant.user.id;
    const request = own
      ? new Request(this.#url(`sessions/${sid}`), { method: "DELETE" })
      : new Request(this.#url("logout"), { method: "POST" });
    this.#send(request, own ? grant : former, true, this.#open.signal).catch(() => {});
  }

  #onLine() {
    this.#askAgainAt = 0;
    if (this.state.status === "unknown") this.restore().catch(() => {});
    this.#tick();
  }

  #onInput() {
    const { status, session } = this.state;
    if (status !== "active" || !session) return;
    this.#active(this.now());
    const idle = session.idle_timeout_seconds * 1000;
    if (!idle || this.now() - this.#lastCallAt < Math.min(60_000, idle / 4)) return;
    this.#lastCallAt = this.now(); // who types for long without a call is not idle
    this.fetch(`${this.#url("sessions")}?page_size=1`).catch(() => {});
  }

  /** @param {number} at */
  #active(at, tell = true) {
    const { session, status } = this.state;
    if (status !== "active" || !session || at <= this.#lastActiveAt) return;
    this.#lastActiveAt = at;
    if (tell && at - this.#toldActiveAt > TICK_MS) {
      this.#toldActiveAt = at;
      this.#tabs.tell({ kind: "active", sid: session.id, at });
    }
    this.state = Object.freeze({ ...this.state, ends: this.#ends(session) });
  }

  /** @param {import("./session/shapes.js").SessionFacts} session */
  #ends(session) {
    return rules.endsOf(session, this.#lastActiveAt, this.#options.lockAfterSeconds);
  }

  /** Do what is due by now. */
  #tick() {
    const { status, ends } = this.state;
    const now = this.now();
    const grant = this.#grant;
    if (status !== "active" || !grant) return;
    if (ends.idle !== null && now >= ends.idle) return this.lock("idle");
    for (const { kind, at, secondsLeft } of rules.nearEnds(ends, now, rules.WARN_BEFORE)) {
      if (this.#warned.has(`${kind} ${at}`)) continue;
      this.#warned.add(`${kind} ${at}`);
      this.dispatchEvent(new CustomEvent("warning", { detail: { kind, secondsLeft } }));
    }
    const over = rules.hasEnded(ends, grant, now);
    if (!over && now < rules.refreshDueAt(grant, this.#lastActiveAt)) return;
    this.#refresh().catch(() => over && this.lock("session_expired"));
  }

  /**
   * @param {State} state
   * @returns {State}
   */
  #set(state) {
    this.state = Object.freeze(state);
    this.dispatchEvent(new CustomEvent("change", { detail: this.state }));
    return this.state;
  }
}

/** @param {Response} answer */
function refusesToken(answer) {
  return answer.status === 401 && !!answer.headers.get("WWW-Authenticate")?.includes("invalid_token");
}

/** @param {ProblemError} error */
function endsSession({ status, problem }) {
  return status === 401 || problem.code === "csrf_failed" || problem.code === "validation_failed";
}

/** The double-submit value of the session's readable cookie, or null without a session. */
function csrf() {
  return /(?:^|; )__Host-carelink_csrf=([^;]*)/.exec(document.cookie)?.[1] ?? null;
}
