// The denylist: what Redis holds, and dropping it.

import { busy, duration, explain, field, fill, h, openDialog } from "../ui.js";
import { counted } from "./words.js";

const MIB = 1024 * 1024;

/**
 * @param {import("./console.js").Console} board
 * @param {AbortSignal} signal
 * @returns {import("./console.js").View}
 */
export function showDenylist(board, signal) {
  const body = h("div", { class: "stack", "aria-live": "polite" });
  const flush = h("button", { class: "button button-danger", type: "button", disabled: true, on: { click: () => confirmFlush(board) } }, "Flush …");
  const poll = async () => {
    const found = await board.ask("/api/ops/denylist/", signal);
    flush.disabled = !found.answers;
    fill(body, facts(found).flat());
  };
  const element = h(
    "div",
    { class: "stack stack-wide" },
    h("div", { class: "page-head ops-head" }, h("h1", {}, "Denylist"), flush),
    h("p", {}, "Redis holds which sessions have ended, so that each request can ask it. The database holds the same and decides: whatever happens to Redis, nobody gets back in and nobody is thrown out."),
    body,
  );
  return { element, poll, every: 30 };
}

/** @param {any} found */
function facts(found) {
  if (!found.answers) return [h("div", { class: "notice notice-bad" }, h("p", {}, h("strong", {}, "Redis does not answer. "), "The workers ask the database meanwhile. See under Stores what to do."))];
  const { entries } = found;
  const missing = Math.max(0, found.should_hold_sessions - entries.sessions);
  const more = entries.complete ? "" : " at least";
  return [
    h(
      "dl",
      { class: "grid grid-small" },
      tile("Sessions in Redis", entries.sessions.toLocaleString("en-GB") + more),
      tile("It should hold", found.should_hold_sessions.toLocaleString("en-GB")),
      tile("Single tokens", entries.tokens.toLocaleString("en-GB") + more),
    ),
    missing > 0 && entries.complete && h("div", { class: "notice notice-info" }, h("p", {}, `${counted(missing, "session")} missing. The workers refuse them by the database; the housekeeper writes them back within five minutes.`)),
    found.warnings.map((/** @type {string} */ words) => h("div", { class: "notice notice-warn" }, h("p", {}, words))),
    found.servers.map(server),
  ];
}

/**
 * @param {string} name
 * @param {string} value
 */
const tile = (name, value) => h("div", { class: "card figure-tile" }, h("dt", {}, name), h("dd", {}, value));

/** @param {any} one */
function server(one) {
  const mib = (/** @type {number | null} */ bytes) => (bytes === null ? "not told" : `${(bytes / MIB).toFixed(1)} MiB`);
  /** @type {[string, string][]} */
  const lines = [
    ["Server", `${one.server}, ${one.role ?? "role not told"}`],
    ["Up for", one.uptime_seconds === null ? "not told" : duration(one.uptime_seconds)],
    ["Memory", `${mib(one.used_memory_bytes)} of ${one.maxmemory_bytes === 0 ? "no limit" : mib(one.maxmemory_bytes)}`],
    ["When full", one.policy ?? "not told"],
    ["Append-only file", one.append_only === null ? "not told" : one.append_only ? "on" : "off"],
  ];
  return h("section", { class: "card" }, h("h2", { class: "ops-gap" }, one.node), h("dl", { class: "facts" }, lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

/** @param {import("./console.js").Console} board */
function confirmFlush(board) {
  const reason = field("Why", { maxlength: 200, autocomplete: "off", hint: "Kept in the audit trail.", required: true });
  const password = field("Your password", { kind: "password", autocomplete: "current-password", maxlength: 1024, hint: "Asked because you logged in more than five minutes ago." });
  password.element.hidden = true;
  const place = h("div", { role: "alert" });
  const button = h("button", { class: "button button-danger", type: "submit" }, "Flush the denylist");
  const close = h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel");
  const body = h(
    "div",
    { class: "stack" },
    h(
      "ul",
      { class: "ops-effects" },
      h("li", {}, "Redis forgets which sessions have ended."),
      h("li", {}, "Nobody is logged out, and nobody who was revoked gets back in: the workers refuse those sessions by the database."),
      h("li", {}, "Entries that only Redis knows are kept."),
      h("li", {}, "The housekeeper writes back within five minutes what is still needed."),
    ),
    reason.element,
    password.element,
    place,
  );
  const submit = async () => {
    const why = reason.input.value.trim();
    reason.fault(why.length < 3 ? "Say why, in a few words." : "");
    if (why.length < 3) return reason.input.focus();
    /** @type {Record<string, string>} */
    const order = { reason: why, ...(password.input.value ? { password: password.input.value } : {}) };
    let [removed, kept] = [0, 0];
    try {
      for (let done = false; !done; ) {
        const answer = await board.api.send("POST", "/api/ops/denylist/flush/", order);
        delete order.password;
        [removed, kept, done] = [removed + answer.removed, answer.kept, answer.done];
      }
    } catch (error) {
      const code = /** @type {any} */ (error)?.problem?.code;
      password.input.value = "";
      if (code === "insufficient_user_authentication" || code === "invalid_credentials") {
        password.element.hidden = false;
        password.fault(code === "invalid_credentials" ? "That is not your password. Nothing was dropped." : "");
        return password.input.focus();
      }
      return fill(place, h("div", { class: "notice notice-bad" }, h("p", {}, explain(error))));
    }
    close.textContent = "Close";
    button.remove();
    fill(body, h("div", { class: "notice notice-good", role: "status" }, h("p", {}, h("strong", {}, `Dropped ${counted(removed, "entry", "entries")}.`), kept ? ` Kept ${kept} that only Redis knows.` : " Nobody was logged out.")));
    close.focus();
    return board.refresh();
  };
  const dialog = openDialog({ title: "Flush the denylist", body, actions: [close, button], onSubmit: () => { busy(button, submit); } });
  reason.input.focus();
}
