// The operations console: who is here, and what is shown to them.

import { Page } from "../holding.js";
import { createSession } from "../session.js";
import { $ } from "../ui.js";
import { Console, TABS_OF } from "./console.js";
import { DEVICE, showLock, showLogin, showStranger } from "./login.js";

const LOCK_AFTER_SECONDS = 15 * 60;

const root = $("#app");
const session = createSession({
  transport: "cookie",
  lockAfterSeconds: LOCK_AFTER_SECONDS,
  deviceName: DEVICE,
});
/** @type {Page<Console>} */
const page = new Page(session, root, {
  make: ({ user_type: type }) => {
    if (type in TABS_OF) return new Console(session, root);
    showStranger(root, session);
    return null;
  },
  showLogin: (reason) => showLogin(root, session, reason),
  showLock: () => showLock(root, session),
});
page.begin();
