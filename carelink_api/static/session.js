/**
 * CareLink's session client: log in, call the API, stay logged in silently, log out.
 *
 *   unknown --restore--> active | signed-out        active --lock, idle, end--> locked
 *   signed-out --login--> active                    locked --reauthenticate--> active
 *   active, locked --logout, refused refresh, another user--> signed-out
 *
 * Who refreshes: whoever needs a newer token takes the lock of this browser, looks whether another
 * tab has brought one meanwhile, and asks the API only if not. What ends a session: a refused
 * refresh, or a person; never a failure to reach the API. The access token is in memory only.
 * How to use it stands in docs/session-client.md.
 */

import { Api, csrfCookie, refusesToken } from "./session/api.js";
import { ProblemError, SessionEnded, Unreachable } from "./session/errors.js";
import * as rules from "./session/rules.js";
import { Tabs, sleep } from "./session/tabs.js";

export { ProblemError, SessionEnded, Unreachable };

/**
 * @typedef {import("./session/shapes.js").Grant} Grant
 * @typedef {import("./session/shapes.js").Message} Message
 * @typedef {import("./session/shapes.js").Options} Options
 * @typedef {import("./session/shapes.js").SessionFacts} SessionFacts
 * @typedef {import("./session/shapes.js").Source} Source
 * @typedef {import("./session/shapes.js").State} State
 */

/** The clock is looked at, no timer set for a moment: so sleep and throttling do no harm. */
const TICK_MS = 5_000;
const ATTEMPTS = 3;
/** Who has to wait for longer than this is told so instead. */
const PATIENCE_MS = 5_000;
/** The codes with which the API refuses a refresh for good. */
const REFUSALS = ["token_not_valid", "not_authenticated", "csrf_failed"];
const INPUT = ["pointerdown", "keydown", "wheel"];
/** @type {State} */
const NOBODY = {
  status: "signed-out",
  user: null,
  session: null,
  reason: null,
  ends: { idle: null, absolute: null, shift: null },
};

/** @param {Options} [options] */
export const createSession = (options) => new Session(options);

export class Session extends EventTarget {
  /** @type {State} */
  #state = { ...NOBODY, status: "unknown" };
  /** @type {Grant | null} */
  #grant = null;
  /** @type {Promise<Grant> | null} */
  #refreshing = null;
  /** Aborted when the session ends: what is under way then never arrives. */
  #life = new AbortController();
  /** Aborted when the page lets go of the client. */
  #open = new AbortController();
  /** The sessions whose end has been seen here: their late tokens are not taken. */
  #over = /** @type {Set<string>} */ (new Set());
  #warned = /** @type {Set<string>} */ (new Set());
  #options;
  #byCookie;
  #api;
  #tabs;
  #offset = 0;
  #lastActiveAt = 0;
  #lastCallAt = 0;
  #toldAt = 0;
  #askAgainAt = 0;
  #failures = 0;
  #restoring = false;
  #reachable = true;

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    const { baseUrl = "/", transport = "cookie", storage } = options;
    const base = new URL(baseUrl, location.href);
    this.#options = options;
    this.#byCookie = transport === "cookie";
    this.#api = new Api(base, this.#byCookie, (reachable) => this.#reached(reachable));
    const shared = this.#byCookie || storage !== undefined;
    this.#tabs = new Tabs(`carelink ${transport} ${base.href}`, shared, (news) => this.#hear(news));
    this.#listen();
  }

  get state() {
    return this.#state;
  }

  /** The server's clock, in milliseconds. */
  now() {
    return Date.now() + this.#offset;
  }

  /**
   * Go on with the session that this browser has, if any: call it once when the page loads.
   * Throws Unreachable; it is then tried again until it is known.
   */
  async restore() {
    this.#restoring = true;
    const { leaving } = this.#tabs.note;
    if (leaving) await this.#leave(null).catch(() => {});
    if (leaving || !(await this.#mayRefresh())) return this.#set(NOBODY);
    await this.#refresh().catch((error) => {
      if (!(error instanceof SessionEnded)) throw error;
    });
    return this.#state;
  }

  /**
   * Log in. Throws ProblemError (`invalid_credentials`, `password_change_required`,
   * `outside_shift`, `throttled` …) and Unreachable; a session that was there goes on then, else it
   * ends. `newPassword` changes the password with it: where it breaks a rule, `errors` says why.
   * @param {string} email
   * @param {string} password
   * @param {{userType?: string, deviceName?: string, newPassword?: string}} [more]
   */
  async login(email, password, more = {}) {
    const { userType, deviceName = this.#options.deviceName, newPassword } = more;
    if (this.#tabs.note.leaving) await this.#leave(null);
    const transport = this.#byCookie ? "cookie" : "body";
    const body = {
      email,
      password,
      new_password: newPassword,
      user_type: userType,
      device_name: deviceName,
      transport,
    };
    await this.#tabs.alone(async () => {
      const former = this.#grant;
      const grant = await this.#api.pair("login/", body, this.#open.signal);
      if (this.#state.user && this.#state.user.id !== grant.user.id) this.#end("other_user", false);
      await this.#take(grant, "login");
      if (former) this.#retire(former, grant).catch(() => {});
    });
    return this.#state;
  }

  /**
   * Ask the same person for the password where they are: near an end, or to unlock. A new session
   * takes over and the earlier one ends. Throws as `login` does.
   * @param {string} password
   * @param {{newPassword?: string}} [more]
   */
  async reauthenticate(password, { newPassword } = {}) {
    const { user, reason } = this.#state;
    if (!user) throw new SessionEnded(reason);
    return this.login(user.email, password, { userType: user.user_type, newPassword });
  }

  /**
   * Choose a new password by a one-time code; the account's sessions end. Then log in. Throws
   * ProblemError (`invalid_credentials`, `validation_failed`, `throttled` …) and Unreachable.
   * @param {string} email
   * @param {string} code
   * @param {string} next
   */
  async resetPassword(email, code, next) {
    const body = { email, code, new_password: next };
    await this.#api.post("password/reset/", body, this.#open.signal);
  }

  /**
   * Change the password; the user's other sessions end. Throws ProblemError, SessionEnded and
   * Unreachable.
   * @param {string} current
   * @param {string} next
   */
  async changePassword(current, next) {
    const used = await this.#usable();
    const body = { current_password: current, new_password: next };
    const headers = { Authorization: `Bearer ${used.access}` };
    await this.#tabs.alone(async () => {
      const grant = await this.#api.pair("password/", body, this.#life.signal, headers);
      await this.#take(grant, "refresh");
    });
  }

  /**
   * Call the API as `fetch` does, with the access token; a token that is spent or refused is
   * refreshed, and the call sent once more. `background: true` marks what the user did not cause.
   * Throws SessionEnded (also for an answer that arrives after the end) and Unreachable.
   * @param {RequestInfo | URL} input
   * @param {RequestInit & {background?: boolean}} [init]
   */
  async fetch(input, { background = false, ...init } = {}) {
    const { base } = this.#api;
    const request = new Request(input instanceof Request ? input : new URL(input, base), init);
    if (new URL(request.url).origin !== base.origin)
      throw new TypeError(`The access token is for ${base.origin} only.`);
    const life = this.#life.signal;
    const used = await this.#usable();
    let answer = await this.#api.send(request.clone(), used.access, background, life);
    if (refusesToken(answer)) {
      const newer = this.#grant === used ? await this.#refresh() : await this.#usable();
      answer = await this.#api.send(request, newer.access, background, life);
    }
    if (!background && answer.status !== 401) this.#active((this.#lastCallAt = this.now()));
    return answer;
  }

  /** Cover the screen: no tab calls or refreshes anything until `reauthenticate`. */
  lock(reason = "locked") {
    const { session, status } = this.#state;
    if (status !== "active" || !session) return;
    this.#tabs.note = { ...this.#tabs.note, locked: session.id };
    this.#tabs.tell({ kind: "locked", sid: session.id, reason });
    this.#set({ ...this.#state, status: "locked", reason });
  }

  /** Log out, at once in every tab; settles when the API knows, however long it is away. */
  async logout() {
    const last = this.#grant;
    this.#tabs.note = { ...this.#tabs.note, leaving: true };
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

  /** Log out on every device. Throws, and changes nothing, where the API does not take it. */
  async logoutEverywhere() {
    const answer = await this.fetch(this.#api.url("logout-all/"), { method: "POST" });
    if (!answer.ok) throw await ProblemError.from(answer);
    await this.logout();
  }

  /** Let go of the page; the session goes on. */
  close() {
    this.#open.abort();
    this.#tabs.close();
  }

  #listen() {
    const { signal } = this.#open;
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    addEventListener("pageshow", ({ persisted }) => this.#onShow(persisted), { signal });
    document.addEventListener("visibilitychange", () => this.#tick(), { signal });
    addEventListener("offline", () => this.#reached(false), { signal });
    addEventListener("online", () => this.#onLine(), { signal });
    const seen = { signal, capture: true, passive: true };
    for (const kind of INPUT) document.addEventListener(kind, () => this.#onInput(), seen);
  }

  /** Return a grant to call with, refreshed first where it is spent. Throws SessionEnded. */
  async #usable() {
    const grant = this.#grant;
    if (this.#state.status !== "active" || !grant) throw new SessionEnded(this.#state.reason);
    return rules.isSpent(grant, this.now()) ? this.#refresh() : grant;
  }

  /** Refresh: one at a time in this page. Throws SessionEnded, Unreachable. */
  #refresh() {
    if (!this.#refreshing) {
      const renewing = this.#renew(this.#grant, this.#life.signal).finally(() => {
        if (this.#refreshing === renewing) this.#refreshing = null;
      });
      this.#refreshing = renewing;
    }
    return this.#refreshing;
  }

  /**
   * @param {Grant | null} had
   * @param {AbortSignal} life
   */
  async #renew(had, life) {
    const early = this.#askAgainAt - Date.now();
    if (early > 0) throw new Unreachable(null, early / 1000);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#tabs.alone((waited) => this.#renewAlone(had, waited, life));
      } catch (error) {
        life.throwIfAborted();
        if (!(error instanceof Unreachable)) throw error;
        const wait = rules.waitBefore(this.#failures++, error.retryAfter, Math.random());
        this.#askAgainAt = Date.now() + wait;
        if (attempt + 1 === ATTEMPTS || wait > PATIENCE_MS) throw error;
        await sleep(wait);
        life.throwIfAborted();
      }
    }
  }

  /**
   * Ask for the next grant, unless another tab was first. Throws SessionEnded, Unreachable.
   * @param {Grant | null} had
   * @param {boolean} waited for another tab's refresh
   * @param {AbortSignal} life
   */
  async #renewAlone(had, waited, life) {
    if (waited) await this.#tabs.news(() => this.#grant !== had || life.aborted);
    life.throwIfAborted();
    if (this.#grant && this.#grant !== had) return this.#grant;
    const past = rules.pastEnd(this.#state.ends, this.now());
    if (!(await this.#mayRefresh())) throw this.#end(past ?? "logged_out"); // elsewhere
    try {
      return await this.#take(await this.#askForGrant(life), "refresh");
    } catch (error) {
      life.throwIfAborted();
      if (!(error instanceof ProblemError)) throw error;
      const { code = "", reason = code } = error.problem;
      if (!REFUSALS.includes(code)) throw new Unreachable(error); // a proxy's word
      // Of a refusal whose answer was lost only the missing cookie is left: the clock knows why.
      const { idle } = this.#state.ends;
      const known = past ?? (idle !== null && idle <= this.now() ? "idle" : reason);
      throw this.#end(["expired", "not_authenticated"].includes(reason) ? known : reason);
    }
  }

  /** @param {AbortSignal} life */
  async #askForGrant(life) {
    const csrf = this.#csrf();
    if (this.#byCookie)
      return this.#api.pair("refresh/", {}, life, csrf ? { "X-CareLink-CSRF": csrf } : {});
    return this.#api.pair("refresh/", { refresh: await this.#stored() }, life);
  }

  /** Return whether there is something to refresh with: nothing need be refused for that. */
  async #mayRefresh() {
    return (this.#byCookie ? this.#csrf() : await this.#stored()) !== null;
  }

  /** A page on another host than the API cannot read the cookie, and goes by the answers. */
  #csrf() {
    return csrfCookie() ?? this.#tabs.note.csrf ?? null;
  }

  async #stored() {
    const { storage } = this.#options;
    return storage ? await storage.load() : (this.#grant?.refresh ?? null);
  }

  /**
   * Take over a grant. Throws SessionEnded for one that comes too late or is somebody else's.
   * @param {Grant} grant
   * @param {Source} from
   */
  async #take(grant, from) {
    const { user, session } = grant;
    const mine = { grant: this.#grant, userId: this.#state.user?.id ?? null, over: this.#over };
    const verdict = rules.judge(mine, grant, from);
    if (verdict === "other_user") this.#end("other_user", false);
    if (verdict !== "take") throw new SessionEnded(this.#state.reason);
    const byPassword = from === "login" || from === "login elsewhere";
    if (byPassword || !this.#lastActiveAt) this.#lastCallAt = this.#lastActiveAt = grant.issuedAt;
    const former = mine.grant?.session.id;
    if (former && former !== session.id) this.#over.add(former);
    this.#grant = grant;
    this.#offset = grant.offset;
    this.#askAgainAt = this.#failures = 0;
    if (from === "login") this.#tabs.note = csrfCookie() ? {} : { csrf: grant.csrf };
    const locked = !byPassword && this.#tabs.note.locked === session.id;
    const status = locked ? "locked" : "active";
    const reason = locked ? (this.#state.reason ?? "locked") : null;
    this.#set({ status, user, session, reason, ends: this.#ends(session) });
    if (from === "login" || from === "refresh") {
      this.#tabs.tell({ kind: "grant", grant, byPassword });
      if (grant.refresh) await this.#options.storage?.save(grant.refresh);
    }
    return grant;
  }

  /**
   * Forget the session, here and in the other tabs; return the error that says so.
   * @param {string} reason
   */
  #end(reason, tell = true) {
    const { user, session } = this.#state;
    const ended = new SessionEnded(reason);
    const life = this.#life;
    this.#life = new AbortController();
    this.#grant = this.#refreshing = null;
    this.#warned.clear();
    life.abort(ended);
    if (tell) this.#options.storage?.clear();
    if (session) this.#over.add(session.id);
    if (session && tell) this.#tabs.tell({ kind: "ended", sid: session.id, reason });
    const goesOn = session !== null && rules.goesOnByPassword(reason);
    this.#set({ ...NOBODY, ...(goesOn ? { status: "locked", user, session } : {}), reason });
    if (session) this.dispatchEvent(new CustomEvent("ended", { detail: { reason } }));
    return ended;
  }

  /**
   * Tell the API of a log-out, once: who asks again meanwhile waits. Where it knows of no such
   * session there is nothing left to end. Throws Unreachable.
   * @param {Grant | null} last
   */
  async #leave(last) {
    await this.#tabs.alone(async () => {
      if (!this.#tabs.note.leaving && !last?.refresh) return; // somebody has told it
      const csrf = this.#csrf();
      const headers = csrf && this.#byCookie ? { "X-CareLink-CSRF": csrf } : undefined;
      const body = last?.refresh ? { refresh: last.refresh } : {};
      if (headers || last?.refresh)
        await this.#api.post("logout/", body, this.#open.signal, headers).catch((error) => {
          if (!(error instanceof ProblemError)) throw error;
        });
      if (this.#tabs.note.leaving) this.#tabs.note = {};
    });
  }

  /**
   * End a session that another has taken the place of; where that fails it runs out by itself.
   * The API does it for another user's cookie.
   * @param {Grant} former
   * @param {Grant} grant
   */
  async #retire({ session, user, refresh }, grant) {
    const { signal } = this.#open;
    if (user.id === grant.user.id) {
      const request = new Request(this.#api.url(`sessions/${session.id}/`), { method: "DELETE" });
      await this.#api.send(request, grant.access, true, signal, "omit");
    } else if (refresh) await this.#api.post("logout/", { refresh }, signal);
  }

  /** @param {Message} news from another tab */
  #hear(news) {
    if (news.kind === "grant") {
      const from = news.byPassword ? "login elsewhere" : "refresh elsewhere";
      this.#take(news.grant, from).catch(() => {}); // its end is what remains
    } else if (news.sid !== this.#state.session?.id) return;
    else if (news.kind === "ended") this.#end(news.reason, false);
    else if (news.kind === "locked") this.lock(news.reason);
    else this.#active(news.at, false);
  }

  /** @param {boolean} wasAway in the back-forward cache, where no news arrives */
  #onShow(wasAway) {
    if (wasAway && this.#state.status === "active") this.#refresh().catch(() => {});
    else this.#tick();
  }

  #onLine() {
    this.#reached(true);
    this.#askAgainAt = this.#failures = 0;
    this.#tick();
  }

  #onInput() {
    const { status, session } = this.#state;
    if (status !== "active" || !session) return;
    const now = this.now();
    this.#active(now);
    const idle = session.idle_timeout_seconds * 1000;
    if (!idle || now - this.#lastCallAt < Math.min(60_000, idle / 4)) return;
    this.#lastCallAt = now; // who types for long without a call is not idle
    this.fetch(this.#api.url("sessions/?page_size=1")).catch(() => {});
  }

  /** @param {number} at when the user did something */
  #active(at, tell = true) {
    const { session, status } = this.#state;
    if (status !== "active" || !session || at <= this.#lastActiveAt) return;
    this.#lastActiveAt = at;
    this.#state = { ...this.#state, ends: this.#ends(session) };
    if (!tell || at - this.#toldAt < TICK_MS) return;
    this.#toldAt = at;
    this.#tabs.tell({ kind: "active", sid: session.id, at });
  }

  /** @param {SessionFacts} session */
  #ends(session) {
    return rules.endsOf(session, this.#lastActiveAt, this.#options.lockAfterSeconds ?? 0);
  }

  /** Do what is due by now. */
  #tick() {
    const { status, ends } = this.#state;
    const grant = this.#grant;
    const now = this.now();
    if (status === "unknown" && this.#restoring) this.restore().catch(() => {});
    if (status !== "active" || !grant) return;
    if (ends.idle !== null && now >= ends.idle) return this.lock("idle");
    this.#warn(rules.nearEnds(ends, now, rules.WARN_BEFORE));
    const past = rules.pastEnd(ends, now);
    if (past || now >= rules.refreshDueAt(grant, this.#lastActiveAt))
      this.#refresh().catch(() => past && this.lock(past));
  }

  /** @param {import("./session/shapes.js").Warning[]} near */
  #warn(near) {
    for (const { kind, at, secondsLeft } of near) {
      const name = `${kind} ${at}`;
      if (this.#warned.has(name)) continue;
      this.#warned.add(name);
      this.dispatchEvent(new CustomEvent("warning", { detail: { kind, secondsLeft } }));
    }
  }

  /** @param {boolean} reachable */
  #reached(reachable) {
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    this.dispatchEvent(new Event(reachable ? "online" : "offline"));
  }

  /** @param {State} state */
  #set(state) {
    this.#state = state;
    this.dispatchEvent(new CustomEvent("change", { detail: state }));
    return state;
  }
}
