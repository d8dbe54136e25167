// The ward workstation: who is here, and what is shown to them.

import { Page } from "../holding.js";
import { createSession } from "../session.js";
import { $ } from "../ui.js";
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
/** @type {Page<Desk>} */
const page = new Page(session, root, {
  make: () => new Desk(session, root),
  showLogin: (reason) => showLogin(root, session, reason),
  showLock: (desk) => showLock(root, session, Boolean(desk?.drafts.size)),
});

session.addEventListener("warning", (event) =>
  page.holder?.onWarning(/** @type {CustomEvent} */ (event).detail),
);
addEventListener("beforeunload", (event) => {
  if (page.holder?.drafts.size) event.preventDefault();
});
setInterval(() => {
  if (page.lockedAt && Date.now() - page.lockedAt > LEFT_AFTER_MS) session.logout();
}, LOOK_MS);
page.begin();
