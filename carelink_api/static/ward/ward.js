// The ward workstation: who is here, and what is shown to them.
//
// Everything that belongs to somebody hangs on one Desk. It is cleared away as a whole when their
// session is over, and put out of sight while the screen is locked.

import { putAway, showWaiting } from "../entry.js";
import { createSession } from "../session.js";
import { $, fill } from "../ui.js";
import { Desk } from "./desk.js";
import { showLock, showLogin, workstation } from "./login.js";

const LOCK_AFTER_SECONDS = 10 * 60; // where the session's profile has no idle timeout of its own
/** Who does not come back to a locked screen for so long has left. */
const LEFT_AFTER_MS = 60 * 60_000;
const LOOK_MS = 15_000;

const root = $("#app");
const session = createSession({
  transport: "cookie",
  lockAfterSeconds: LOCK_AFTER_SECONDS,
  deviceName: workstation() || undefined,
});
/** @type {Desk | null} */
let desk = null;
/** @type {(() => void) | null} */
let putBack = null;
/** When the screen was locked. */
let lockedAt = 0;
/** What is on the screen: a status and whose. */
let shown = "";

function show() {
  const { status, user, reason } = session.state;
  const wanted = `${status} ${user?.id ?? ""} ${status === "active" ? "" : reason}`;
  if (wanted === shown) return desk?.onSession();
  shown = wanted;
  if (status === "active" && user) return open(user.id);
  if (status === "locked") return lock();
  clear();
  if (status === "signed-out") return showLogin(root, session, reason);
  return showWaiting(root);
}

/** @param {number} userId */
function open(userId) {
  if (desk && desk.user.id !== userId) clear();
  if (desk && putBack) {
    putBack();
    putBack = null;
    return desk.wake();
  }
  fill(root);
  desk ??= new Desk(session, root);
  return desk.open();
}

function lock() {
  if (desk && !putBack) {
    lockedAt = Date.now();
    desk.sleep();
    putBack = putAway(root);
  }
  showLock(root, session, Boolean(desk?.drafts.size));
}

/** Let go of everything that was somebody's. */
function clear() {
  desk?.close();
  desk = null;
  putBack = null;
  document.querySelectorAll("dialog, .toasts").forEach((each) => each.remove());
  fill(root);
}

session.addEventListener("change", show);
session.addEventListener("warning", (event) =>
  desk?.onWarning(/** @type {CustomEvent} */ (event).detail),
);
session.addEventListener("offline", () => desk?.onReachable(false));
session.addEventListener("online", () => desk?.onReachable(true));
addEventListener("beforeunload", (event) => {
  if (desk?.drafts.size) event.preventDefault();
});
// A page that comes back from the browser's memory may be another user's by now.
addEventListener("pagehide", () => root.replaceChildren());
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
setInterval(() => {
  if (putBack && Date.now() - lockedAt > LEFT_AFTER_MS) session.logout();
}, LOOK_MS);
showWaiting(root);
session.restore().catch(() => {}); // it goes on trying: until then nobody knows who is here
