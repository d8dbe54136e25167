// The pure rules of the session client. Run by test_session_rules.py, or by `node --test`.
// The file is imported by its text, since this folder's package knows nothing of ES modules there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const source = new URL("../../carelink_api/static/session/rules.js", import.meta.url);
const text = readFileSync(source).toString("base64");
const rules = await import(`data:text/javascript;base64,${text}`);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ISSUED = Date.parse("2026-03-28T22:00:00Z");
const iso = (at) => new Date(at).toISOString();
const facts = (more = {}) => ({
  id: "one",
  expires_at: iso(ISSUED + 12 * HOUR),
  idle_timeout_seconds: 0,
  shift: null,
  ...more,
});
const grant = (seconds = 900, more = {}, session = {}) =>
  rules.grantOf(
    {
      access: "a",
      access_expires_at: iso(ISSUED + seconds * 1000),
      expires_in: seconds,
      session: facts(session),
      user: { id: 1 },
      ...more,
    },
    ISSUED - 5_000,
  );

test("the server's clock is learnt from the answer", () => {
  assert.equal(grant().issuedAt, ISSUED);
  assert.equal(grant().offset, 5_000);
});

test("who has done something is refreshed a minute before the expiry", () => {
  assert.equal(rules.refreshDueAt(grant(), ISSUED + 1), ISSUED + 14 * MINUTE);
});

test("a short token is refreshed in its last quarter", () => {
  assert.equal(rules.refreshDueAt(grant(40), ISSUED + 1), ISSUED + 30_000);
});

test("who has done nothing since the last time is not refreshed", () => {
  assert.equal(rules.refreshDueAt(grant(), ISSUED), Infinity);
});

test("a token cut short by inactivity waits until the server has noted the activity", () => {
  const capped = grant(30, { access_capped_by: "idle" });
  assert.equal(rules.refreshDueAt(capped, ISSUED), Infinity);
  assert.equal(rules.refreshDueAt(capped, ISSUED + 29_000), ISSUED + 31_000);
});

test("a token that lasts as long as its session is not renewed", () => {
  for (const session of [
    { expires_at: iso(ISSUED + 900_000) },
    { shift: { ends_at: iso(ISSUED + 900_000) } },
  ]) {
    const last = grant(900, {}, session);
    assert.equal(rules.refreshDueAt(last, ISSUED + 1), Infinity);
    assert.equal(rules.isSpent(last, ISSUED + 899_000), false);
  }
});

test("a token that would expire on its way is spent", () => {
  assert.equal(rules.isSpent(grant(), ISSUED + 894_000), false);
  assert.equal(rules.isSpent(grant(), ISSUED + 896_000), true);
});

test("the server's idle limit goes before the page's own", () => {
  const idle = (session, own) => rules.endsOf(facts(session), ISSUED, own).idle;
  assert.equal(idle({ idle_timeout_seconds: 900 }, 60), ISSUED + 15 * MINUTE);
  assert.equal(idle({}, 60), ISSUED + MINUTE);
  assert.equal(idle({}, 0), null);
});

test("of the two fixed ends only the first is told, with the seconds left", () => {
  const near = (ends) =>
    rules
      .nearEnds({ idle: null, absolute: null, shift: null, ...ends }, ISSUED, rules.WARN_BEFORE)
      .map(({ kind, secondsLeft }) => [kind, secondsLeft]);
  assert.deepEqual(near({ idle: ISSUED + 59_500 }), [["idle", 60]]);
  assert.deepEqual(near({ idle: ISSUED + 61_000 }), []);
  assert.deepEqual(near({ absolute: ISSUED + MINUTE, shift: ISSUED + MINUTE }), [["shift", 60]]);
  assert.deepEqual(near({ absolute: ISSUED + 1, shift: ISSUED + 2 }), [["absolute", 1]]);
  assert.deepEqual(near({ shift: ISSUED }), []);
});

test("the end that has come is named", () => {
  const past = (absolute, shift) => rules.pastEnd({ idle: null, absolute, shift }, ISSUED);
  assert.equal(past(ISSUED, ISSUED), "shift_ended");
  assert.equal(past(ISSUED, ISSUED + 1), "session_expired");
  assert.equal(past(ISSUED + 1, null), null);
  assert.equal(past(null, null), null);
});

test("a grant is judged by whose it is, and by what it is later than", () => {
  const judge = (mine, from, session = {}) =>
    rules.judge({ grant: null, userId: null, over: new Set(), ...mine }, grant(900, {}, session), from);
  assert.equal(judge({}, "login"), "take");
  assert.equal(judge({}, "login elsewhere"), "take");
  assert.equal(judge({}, "refresh"), "take");
  assert.equal(judge({}, "refresh elsewhere"), "ignore", "who is logged out stays so");
  assert.equal(judge({ userId: 2 }, "refresh"), "other_user");
  assert.equal(judge({ userId: 2 }, "login elsewhere"), "other_user");
  assert.equal(judge({ over: new Set(["one"]) }, "refresh"), "ignore");
  const mine = { userId: 1, grant: grant() };
  assert.equal(judge(mine, "refresh elsewhere"), "take");
  assert.equal(judge({ ...mine, grant: { issuedAt: ISSUED + 1 } }, "refresh elsewhere"), "ignore");
});

test("a wait is what the server asks for, and never all of a ward at once", () => {
  assert.equal(rules.waitBefore(0, 7, 0), 7_000);
  assert.equal(rules.waitBefore(0, 7, 0.999) > 7_000, true);
  assert.deepEqual([0, 1, 2, 9].map((n) => rules.waitBefore(n, null, 0)), [1e3, 2e3, 4e3, 30e3]);
  assert.equal(rules.waitBefore(0, null, 1), 500);
});
