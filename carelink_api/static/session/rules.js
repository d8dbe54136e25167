/**
 * When to refresh, when to warn, how long to wait, whose tokens to take: rules without clock,
 * network or page. All times are milliseconds of the server's clock.
 *
 * @typedef {import("./shapes.js").Ends} Ends
 * @typedef {import("./shapes.js").Grant} Grant
 * @typedef {import("./shapes.js").Pair} Pair
 * @typedef {import("./shapes.js").SessionFacts} SessionFacts
 * @typedef {import("./shapes.js").Source} Source
 * @typedef {import("./shapes.js").Warning} Warning
 * @typedef {import("./shapes.js").WarningKind} WarningKind
 */

const MINUTE = 60_000;
/** A token this close to its expiry might not arrive in time. */
const TRANSIT = 5_000;
/** What the server notes of the user's activity is in its database by then. */
const NOTED = 2_000;

/** How long before an end to warn of it. */
export const WARN_BEFORE = { idle: MINUTE, absolute: 5 * MINUTE, shift: 15 * MINUTE };

/** Ends after which the same person may go on where they were, by their password. */
const GOES_ON_BY_PASSWORD = ["idle", "session_expired"];

/**
 * Return what a pair of tokens is to us; `offset` says how far the server's clock is ahead.
 * @param {Pair} pair
 * @param {number} here the local clock when the answer arrived
 * @returns {Grant}
 */
export function grantOf(pair, here) {
  const expiresAt = Date.parse(pair.access_expires_at);
  const issuedAt = expiresAt - pair.expires_in * 1000;
  return {
    access: pair.access,
    refresh: pair.refresh ?? null,
    issuedAt,
    expiresAt,
    cappedByIdle: pair.access_capped_by === "idle",
    offset: issuedAt - here,
    session: pair.session,
    user: pair.user,
  };
}

/**
 * Return when to refresh without being asked: a minute before expiry, and only if the user has
 * done something since the token was issued. So nobody idle is refreshed, and a token that is short
 * because of inactivity is not renewed in a loop.
 * @param {Grant} grant
 * @param {number} lastActiveAt
 */
export function refreshDueAt(grant, lastActiveAt) {
  if (lastActiveAt <= grant.issuedAt) return Infinity;
  const due = grant.expiresAt - Math.min(MINUTE, (grant.expiresAt - grant.issuedAt) / 4);
  return grant.cappedByIdle ? Math.max(due, lastActiveAt + NOTED) : due;
}

/**
 * Return whether a call must refresh first.
 * @param {Grant} grant
 * @param {number} now
 */
export function isSpent(grant, now) {
  return now >= grant.expiresAt - (grant.cappedByIdle ? 0 : TRANSIT);
}

/**
 * Return when the session ends, by inactivity and whatever happens.
 * @param {SessionFacts} session
 * @param {number} lastActiveAt
 * @param {number} lockAfterSeconds the page's own limit, where the server has none; 0: none
 * @returns {Ends}
 */
export function endsOf(session, lastActiveAt, lockAfterSeconds) {
  const idle = (session.idle_timeout_seconds || lockAfterSeconds) * 1000;
  return {
    idle: idle ? lastActiveAt + idle : null,
    absolute: Date.parse(session.expires_at),
    shift: session.shift ? Date.parse(session.shift.ends_at) : null,
  };
}

/**
 * Return the ends that are near enough to warn of. The absolute end is none where the shift ends
 * first, or with it.
 * @param {Ends} ends
 * @param {number} now
 * @param {Record<WarningKind, number>} before
 * @returns {Warning[]}
 */
export function nearEnds(ends, now, before) {
  const absolute = ends.shift !== null && ends.absolute !== null && ends.shift <= ends.absolute;
  const kinds = /** @type {WarningKind[]} */ (["idle", absolute ? "shift" : "absolute", "shift"]);
  return [...new Set(kinds)].flatMap((kind) => {
    const at = ends[kind];
    if (at === null || now < at - before[kind] || now >= at) return [];
    return [{ kind, at, secondsLeft: Math.ceil((at - now) / 1000) }];
  });
}

/**
 * Return whether an end that no password in place can move has come since the token was issued.
 * @param {Ends} ends
 * @param {Grant} grant
 * @param {number} now
 */
export function hasEnded(ends, grant, now) {
  return [ends.absolute, ends.shift].some((at) => at !== null && grant.issuedAt < at && at <= now);
}

/**
 * Return the state in which an end leaves a page.
 * @param {string} reason
 */
export function statusAfter(reason) {
  return GOES_ON_BY_PASSWORD.includes(reason) ? "locked" : "signed-out";
}

/**
 * Return what to do with tokens that another tab, or a late answer, brings.
 * @param {{grant: Grant | null, userId: number | null, locked: boolean, over: Set<string>}} mine
 * @param {Grant} offered
 * @param {Source} from
 * @returns {"take" | "ignore" | "other_user"}
 */
export function judge(mine, offered, from) {
  if (mine.over.has(offered.session.id)) return "ignore";
  if (mine.userId !== null && mine.userId !== offered.user.id) return "other_user";
  if (from === "login" || from === "login elsewhere") return "take";
  if (mine.locked) return "ignore";
  if (from === "refresh") return "take";
  if (mine.grant === null) return "ignore";
  return offered.issuedAt >= mine.grant.issuedAt ? "take" : "ignore";
}

/**
 * Return the milliseconds before the next attempt: what the server asks for and up to a second
 * more, so that a ward does not come back as one; else 1, 2, 4 … s, up to half of it less.
 * @param {number} attempt counted from 0
 * @param {number | null} retryAfterSeconds
 * @param {number} random from 0 to 1
 */
export function waitBefore(attempt, retryAfterSeconds, random) {
  if (retryAfterSeconds !== null) return (retryAfterSeconds + random) * 1000;
  return Math.min(30, 2 ** attempt) * 1000 * (1 - random / 2);
}

/**
 * Return the seconds of a `Retry-After`, or null without one.
 * @param {string | null} value seconds or an HTTP date (RFC 9110 §10.2.3)
 * @param {number} now
 */
export function retryAfterSeconds(value, now) {
  if (value === null) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}
