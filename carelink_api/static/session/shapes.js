/**
 * The shapes that the client's modules share; for the type checker and for readers.
 *
 * @typedef {{id: number, email: string, name: string, user_type: string, unit: string | null}} User
 * @typedef {{id: string, profile: string, started_at: string, expires_at: string,
 *   idle_timeout_seconds: number, shift: {id: number, ends_at: string} | null}} SessionFacts
 * @typedef {{access: string, refresh?: string, csrf_token?: string, expires_in: number,
 *   access_expires_at: string, access_capped_by?: "idle", session: SessionFacts, user: User}} Pair
 *   the API's answer
 * @typedef {{access: string, refresh: string | null, csrf: string | null, issuedAt: number,
 *   expiresAt: number, cappedBy: "idle" | "end" | null, offset: number, session: SessionFacts,
 *   user: User}} Grant
 * @typedef {"login" | "refresh" | "login elsewhere" | "refresh elsewhere"} Source of a grant
 * @typedef {"idle" | "absolute" | "shift"} WarningKind
 * @typedef {Record<WarningKind, number | null>} Ends milliseconds of the server's clock
 * @typedef {{kind: WarningKind, at: number, secondsLeft: number}} Warning
 * @typedef {"unknown" | "signed-out" | "active" | "locked"} Status
 * @typedef {{status: Status, user: User | null, session: SessionFacts | null,
 *   reason: string | null, ends: Ends}} State
 * @typedef {{load: () => string | null | Promise<string | null>,
 *   save: (refresh: string) => void | Promise<void>, clear: () => void | Promise<void>}} Storage
 *   where an app keeps the refresh token, one for all its tabs
 * @typedef {{baseUrl?: string, transport?: "cookie" | "body", storage?: Storage,
 *   deviceName?: string, lockAfterSeconds?: number}} Options
 * @typedef {{type?: string, title?: string, status?: number, detail?: string, code?: string,
 *   reason?: string, errors?: Record<string, unknown>, request_id?: string,
 *   [member: string]: unknown}} Problem RFC 9457
 * @typedef {{kind: "grant", grant: Grant, byPassword: boolean}
 *   | {kind: "ended", sid: string, reason: string}
 *   | {kind: "locked", sid: string, reason: string}
 *   | {kind: "active", sid: string, at: number}} Message from one tab to the others
 * @typedef {{locked?: string, leaving?: boolean, csrf?: string | null}} Note
 *   what outlives a reload: the session that is locked, a log-out that the API has not taken
 */

export {};
