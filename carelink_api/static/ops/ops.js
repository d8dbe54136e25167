// The operations console: who is here, and what is shown to them.

import { putAway, showWaiting } from "../entry.js";
import { createSession } from "../session.js";
import { $, fill } from "../ui.js";
import { Console, TABS_OF } from "./console.js";
import { DEVICE, showLock, showLogin, showStranger } from "./login.js";

const LOCK_AFTER_SECONDS = 15 * 60;

const root = $("#app");
const session = createSession({
  transport: "cookie",
  lockAfterSeconds: LOCK_AFTER_SECONDS,
  deviceName: DEVICE,
});
/** @type {Console | null} */
let board = null;
/** @type {(() => void) | null} */
let putBack = null;
let shown = "";

function show() {
  const { status, user, reason } = session.state;
  const wanted = `${status} ${user?.id ?? ""} ${status === "active" ? "" : reason}`;
  if (wanted === shown) return;
  shown = wanted;
  if (status === "active" && user) open(user);
  else if (status === "locked") lock();
  else {
    clear();
    if (status === "signed-out") showLogin(root, session, reason);
    else showWaiting(root);
  }
}

/** @param {import("../session/shapes.js").User} user */
function open(user) {
  if (board && board.user.id !== user.id) clear();
  if (!(user.user_type in TABS_OF)) return showStranger(root, session);
  if (board && putBack) {
    putBack();
    putBack = null;
    return board.wake();
  }
  board ??= new Console(session, root);
  return board.open();
}

function lock() {
  if (board && !putBack) {
    board.sleep();
    putBack = putAway(root);
  }
  showLock(root, session);
}

/** Let go of everything that was somebody's. */
function clear() {
  board?.close();
  board = null;
  putBack = null;
  document.querySelectorAll("dialog, .toasts").forEach((each) => each.remove());
  fill(root);
}

session.addEventListener("change", show);
session.addEventListener("offline", () => board?.onReachable(false));
session.addEventListener("online", () => board?.onReachable(true));
addEventListener("pagehide", () => root.replaceChildren());
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
showWaiting(root);
session.restore().catch(() => {}); // it goes on trying: until then nobody knows who is here
