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

/**
 * Return what a pair of tokens is to us; `offset` says how far the server's clock is ahead.
 * @param {Pair} pair
 * @param {number} here the local clock when the answer arrived
 * @returns {Grant}
 */
export function grantOf(pair, here) {
  const expiresAt = Date.parse(pair.access_expires_at);
  const issuedAt = expiresAt - pair.expires_in * 1000;
  const { absolute, shift } = endsOf(pair.session, issuedAt, 0);
  const atEnd = [absolute, shift].some((end) => end !== null && end <= expiresAt);
  return {
    access: pair.access,
    refresh: pair.refresh ?? null,
    csrf: pair.csrf_token ?? null,
    issuedAt,
    expiresAt,
    cappedBy: pair.access_capped_by ?? (atEnd ? "end" : null),
    offset: issuedAt - here,
    session: pair.session,
    user: pair.user,
  };
}

/**
 * Return when to refresh without being asked: a minute before expiry, and only if the user has
 * done something since the token was issued. So nobody idle is refreshed, and a token that is short
 * because of inactivity, or of the session's end, is not renewed in a loop.
 * @param {Grant} grant
 * @param {number} lastActiveAt
 */
export function refreshDueAt(grant, lastActiveAt) {
  if (lastActiveAt <= grant.issuedAt || grant.cappedBy === "end") return Infinity;
  const due = grant.expiresAt - Math.min(MINUTE, (grant.expiresAt - grant.issuedAt) / 4);
  return grant.cappedBy === "idle" ? Math.max(due, lastActiveAt + NOTED) : due;
}

/**
 * Return whether a call must refresh first.
 * @param {Grant} grant
 * @param {number} now
 */
export function isSpent(grant, now) {
  return now >= grant.expiresAt - (grant.cappedBy ? 0 : TRANSIT);
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
 * Return the ends that are near enough to warn of; of the two fixed ones only the first.
 * @param {Ends} ends
 * @param {number} now
 * @param {Record<WarningKind, number>} before
 * @returns {Warning[]}
 */
export function nearEnds(ends, now, before) {
  const { absolute, shift } = ends;
  const fixed = shift !== null && absolute !== null && shift <= absolute ? "shift" : "absolute";
  return /** @type {WarningKind[]} */ (["idle", fixed]).flatMap((kind) => {
    const at = ends[kind];
    if (at === null || now < at - before[kind] || now >= at) return [];
    return [{ kind, at, secondsLeft: Math.ceil((at - now) / 1000) }];
  });
}

/**
 * Return the reason of the fixed end that has come, or null before it. The token and its cookie
 * expire with it, so that the API can say no more than that.
 * @param {Ends} ends
 * @param {number} now
 */
export function pastEnd({ absolute, shift }, now) {
  if (shift !== null && shift <= now && shift <= (absolute ?? Infinity)) return "shift_ended";
  return absolute !== null && absolute <= now ? "session_expired" : null;
}

/**
 * Return whether the same person may go on where they were, by their password: nobody has sent
 * them away, only time has passed.
 * @param {string} reason
 */
export function goesOnByPassword(reason) {
  return reason === "idle" || reason === "session_expired";
}

/**
 * Return what to do with a grant: take it, ignore one that comes too late, or end because somebody
 * else has taken this browser over.
 * @param {{grant: Grant | null, userId: number | null, over: Set<string>}} mine
 * @param {Grant} offered
 * @param {Source} from
 * @returns {"take" | "ignore" | "other_user"}
 */
export function judge(mine, offered, from) {
  if (mine.over.has(offered.session.id)) return "ignore";
  if (mine.userId !== null && mine.userId !== offered.user.id) return "other_user";
  if (from !== "refresh elsewhere") return "take";
  return mine.grant !== null && offered.issuedAt >= mine.grant.issuedAt ? "take" : "ignore";
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
