// What the console says: in words that are understood at three in the morning.

/** @type {Record<string, string>} */
export const USER_TYPES = {
  patient: "patients",
  doctor: "doctors",
  nurse: "nurses",
  researcher: "researchers",
  admin: "administrators",
  ops: "operators",
};

/** @type {Record<string, string>} */
export const PROFILES = {
  standard: "standard",
  high_security: "high security",
  extended: "extended",
};

/** Events, as a sentence without its subject. @type {Record<string, string>} */
export const EVENTS = {
  "login:succeeded": "Logged in",
  "login:refused": "Login refused",
  "login:blocked": "Login refused: too many wrong passwords",
  "session:refreshed": "Session refreshed",
  "session:kept": "Session refreshed",
  "session:reissued": "Answer given again after it was lost",
  "session:row_behind": "The database has lost writes",
  "session:reused": "Reuse: an old token came back, the session was ended",
  "session:refresh_refused": "Refresh refused",
  "session:logged_out": "Logged out",
  "session:revoked": "Session ended by somebody",
  "session:expired": "Session ended by time",
  "session:end_moved": "End of the session moved by the roster",
  "token:csrf_refused": "Refused: the cookie came without its CSRF value",
  "token:throttled": "Throttled: too many requests",
  "token:refused": "Token refused",
  "user:password_changed": "Password changed",
  "user:password_refused": "Password refused",
  "user:password_rehashed": "Password hash renewed",
  "user:code_made": "One-time code made",
  "user:code_used": "One-time code used",
  "user:code_refused": "One-time code refused",
  "user:created": "Account created",
  "user:disabled": "Account disabled",
  "user:enabled": "Account enabled",
  "user:changed": "Account changed",
  "user:listed": "Accounts listed",
  "user:read": "Account looked at",
  "user:erased": "Account erased",
  "unit:created": "Unit created",
  "unit:changed": "Unit changed",
  "unit:refused": "Look at the units refused",
  "unit:sessions_refused": "Sessions of a unit: refused",
  "shift:created": "Shift created",
  "shift:changed": "Shift changed",
  "shift:reassigned": "Shift given to somebody else",
  "shift:cancelled": "Shift cancelled",
  "shift:refused": "Change of a shift refused",
  "denylist:flushed": "Denylist flushed",
  "revocation:previewed": "Dry run of a revocation",
  "revocation:begun": "Revocation begun",
  "revocation:finished": "Revocation finished",
  "operation:refused": "Operation refused",
  "sessions:searched": "Sessions searched",
  "trail:read": "Event stream opened",
  "break_glass:opened": "Glass broken: a record opened in an emergency",
};

/** Why something was refused or ended. @type {Record<string, string>} */
export const REASONS = {
  wrong_password: "wrong password",
  unknown_user: "no such account",
  disabled: "account disabled",
  blocked: "account waits",
  wrong_user_type: "another user type",
  outside_shift: "outside the shift",
  password_change_required: "new password asked for",
  weak_password: "new password too weak",
  no_code: "no code",
  wrong_code: "wrong code",
  expired_code: "code expired",
  too_many_refusals: "too many wrong codes",
  changed_meanwhile: "changed meanwhile",
  not_an_operator: "no operator",
  not_an_administrator: "no administrator",
  not_administered: "not an administrator's to change",
  credential_not_fresh: "password needed",
  selection_grew: "more sessions than expected",
  session_expired: "longest time reached",
  shift_ended: "shift ended",
  user_disabled: "account disabled",
  logged_out: "logged out",
  session_cap: "too many devices",
  password_changed: "password changed",
  reused: "reuse",
  idle: "not used",
  revoked: "revoked",
};

/** @param {string | null} reason */
export const why = (reason) => (reason ? (REASONS[reason] ?? reason.replaceAll("_", " ")) : "");

/**
 * Return a number with its noun: `1 session`, `12,400 sessions`.
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (count, one, many = `${one}s`) =>
  `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;

/**
 * Return who somebody is: patients are a number.
 * @param {{id: number, name: string | null, user_type: string} | null} user
 */
export function who(user) {
  if (!user) return "Unknown account";
  return user.name ?? `Patient account ${user.id}`;
}
