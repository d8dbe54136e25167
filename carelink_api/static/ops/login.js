// The way in: login, lock screen, and the word for who does not operate.

import * as entry from "../entry.js";
import { h } from "../ui.js";

/** @typedef {import("../session.js").Session} Session */

export const DEVICE = "Operations console";

/**
 * Show the login.
 * @param {Element} root
 * @param {Session} session
 * @param {string | null} reason  why an earlier session is over
 */
export function showLogin(root, session, reason) {
  const small = "For operators, and for administrators: accounts, and the review of emergencies. What is done here is logged.";
  document.title = "CareLink operations – log in";
  entry.showLogin(root, session, { subtitle: "Operations console", small, reason, deviceName: () => DEVICE });
}

/**
 * Show the lock screen.
 * @param {Element} root
 * @param {Session} session
 */
export function showLock(root, session) {
  document.title = "CareLink operations – locked";
  entry.showLock(root, session, { leave: "Log out" });
}

/**
 * Say that this account has nothing to do here.
 * @param {Element} root
 * @param {Session} session
 */
export function showStranger(root, session) {
  document.title = "CareLink operations";
  entry.showCard(
    root,
    "Not for this account",
    session.state.user?.email ?? "",
    h("p", {}, "The operations console is for operators and administrators."),
    h("p", {}, h("a", { href: "/" }, "Go to the ward workstation")),
    entry.leaveRow(session, "Log out"),
  );
}
