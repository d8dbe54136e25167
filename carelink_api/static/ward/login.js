// The ward's login, and its lock screen.

import * as entry from "../entry.js";
import { field, h } from "../ui.js";

const WORKSTATION = "carelink.workstation";
/** What this workstation is called: the one thing that stays when somebody logs out. */
export const workstation = () => localStorage.getItem(WORKSTATION) ?? "";

/**
 * Show the login.
 * @param {Element} root
 * @param {import("../session.js").Session} session
 * @param {string | null} reason  why an earlier session is over
 */
export function showLogin(root, session, reason) {
  const device = field("Workstation", {
    value: workstation(),
    maxlength: 100,
    autocomplete: "off",
    hint: "Shown in your list of sessions, for example “Ward 7, desk 2”.",
  });
  const deviceName = () => {
    localStorage.setItem(WORKSTATION, device.input.value.trim());
    return workstation() || undefined;
  };
  const small = "Every access to a record is logged. Lock the screen when you leave.";
  const page = { subtitle: "Ward workstation", small, reason, deviceName };
  document.title = "CareLink – log in";
  entry.showLogin(root, session, { ...page, fields: [device.element] });
}

/**
 * Show the lock screen.
 * @param {Element} root
 * @param {import("../session.js").Session} session
 * @param {boolean} unsaved  whether work that nobody has saved is kept behind it
 */
export function showLock(root, session, unsaved) {
  const words = h("p", {}, "Your unsaved work is kept behind this screen.");
  const notice = unsaved && h("div", { class: "notice notice-info" }, words);
  const leave = unsaved ? "Log out, and drop the unsaved work" : "Log out and switch user";
  document.title = "CareLink – locked";
  entry.showLock(root, session, { notice, leave });
}
