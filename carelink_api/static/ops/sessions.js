// The session list: search, and end what was found.

import { ago, dayTime, field, fill, h } from "../ui.js";
import { confirmRevocation } from "./revoke.js";
import { PROFILES, USER_TYPES, counted, who, why } from "./words.js";

const PAGE = 50;

/**
 * @param {import("./console.js").Console} board
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 * @returns {import("./console.js").View}
 */
export function showSessions(board, signal, query) {
  const fields = searchFields(query);
  const results = h("div", { class: "stack", "aria-live": "polite" });
  let page = 1;
  const search = async () => {
    const asked = new URLSearchParams();
    for (const [name, one] of Object.entries(fields)) if (one.input.value.trim()) asked.set(name, one.input.value.trim());
    for (const name of ["session", "user_id"]) if (query.get(name)) asked.set(name, /** @type {string} */ (query.get(name)));
    asked.set("page", String(page));
    asked.set("page_size", String(PAGE));
    const found = await board.api.get(`/api/ops/sessions/?${asked}`, { signal });
    fill(results, shown(board, found, turn, search, asked));
  };
  const run = (/** @type {number} */ wanted) => {
    page = wanted;
    search().catch((error) => fill(results, h("div", { class: "notice notice-warn" }, h("p", {}, error?.problem?.errors ? "That cannot be searched for." : "The list cannot be read now. Try again."))));
  };
  const turn = (/** @type {number} */ by) => run(page + by);
  const form = h(
    "form",
    { class: "card ops-search", novalidate: true, role: "search", on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); query.delete("session"); query.delete("user_id"); run(1); } } },
    Object.values(fields).map((one) => one.element),
    h("button", { class: "button button-primary", type: "submit" }, "Search"),
  );
  loadUnits(board, fields.unit_id, query, signal).then(() => run(1), () => run(1));
  return { element: h("div", { class: "stack stack-wide" }, h("div", { class: "page-head ops-head" }, h("h1", {}, "Sessions")), form, results) };
}

/** @param {URLSearchParams} query */
function searchFields(query) {
  const all = /** @type {[string, string]} */ (["", "All"]);
  return {
    q: field("Name, e-mail or device", { kind: "search", value: query.get("q") ?? "", autocomplete: "off", maxlength: 100 }),
    unit_id: field("Unit", { kind: "select", options: [all] }),
    user_type: field("User type", { kind: "select", options: [all, ...Object.entries(USER_TYPES)], value: query.get("user_type") ?? "" }),
    address: field("Address starts", { value: query.get("address") ?? "", autocomplete: "off", maxlength: 45, placeholder: "10.7." }),
    status: field("Show", { kind: "select", options: [["active", "Active"], ["ended", "Ended"], ["all", "All"]], value: query.get("status") ?? "active" }),
  };
}

/**
 * @param {import("./console.js").Console} board
 * @param {import("../ui.js").Field} unit
 * @param {URLSearchParams} query
 * @param {AbortSignal} signal
 */
async function loadUnits(board, unit, query, signal) {
  const { sessions } = await board.ask("/api/ops/numbers/", signal);
  unit.input.append(...sessions.by_unit.map((/** @type {any} */ each) => h("option", { value: each.id }, each.name)));
  unit.input.value = query.get("unit_id") ?? "";
}

/**
 * @param {import("./console.js").Console} board
 * @param {any} found
 * @param {(by: number) => void} turn
 * @param {() => Promise<void>} again
 * @param {URLSearchParams} asked
 */
function shown(board, found, turn, again, asked) {
  const last = Math.max(1, Math.ceil(found.total / PAGE));
  if (!found.total) {
    const patients = asked.has("q") || asked.has("address");
    return h("div", { class: "empty card" }, h("strong", {}, "No session matches."), patients && h("p", {}, "Sessions of patients are not found by name, e-mail, device or address."));
  }
  return [
    h(
      "div",
      { class: "row row-between" },
      h("p", { class: "strong" }, counted(found.total, "session")),
      last > 1 &&
        h(
          "div",
          { class: "row" },
          h("button", { class: "button button-small", type: "button", disabled: found.page <= 1, on: { click: () => turn(-1) } }, "Newer"),
          h("span", { class: "soft small" }, `Page ${found.page} of ${last}`),
          h("button", { class: "button button-small", type: "button", disabled: found.page >= last, on: { click: () => turn(1) } }, "Older"),
        ),
    ),
    h(
      "div",
      { class: "card card-flush table-wrap" },
      h(
        "table",
        { class: "table-cards table-hover ops-sessions" },
        h("thead", {}, h("tr", {}, ["Who", "Unit", "Device and address", "Active", "Ends", ""].map((name) => h("th", { scope: "col" }, name || h("span", { class: "hidden-visually" }, "Actions"))))),
        h("tbody", {}, found.items.map((/** @type {any} */ each) => row(board, each, again))),
      ),
    ),
  ];
}

/**
 * @param {import("./console.js").Console} board
 * @param {any} session
 * @param {() => Promise<void>} again
 */
function row(board, session, again) {
  const { user } = session;
  const name = who(user);
  const over = session.ended_at !== null;
  const end = async (/** @type {Record<string, unknown>} */ which, /** @type {string} */ words) => {
    if (await confirmRevocation(board, which, words)) again().catch(() => {});
  };
  return h(
    "tr",
    { dataset: { sid: session.id } },
    h("th", { scope: "row", "data-label": "Who" }, h("span", { class: "ops-who" }, h("span", {}, name, " ", session.current && h("span", { class: "badge badge-accent" }, "This one")), h("span", { class: "soft small" }, user.email ?? USER_TYPES[user.user_type]))),
    h("td", { "data-label": "Unit" }, session.unit?.name ?? "–"),
    h("td", { "data-label": "Device" }, h("span", { class: "ops-who" }, h("span", {}, session.device_name ?? "–"), h("span", { class: "soft small mono" }, session.address ?? "–"))),
    h("td", { "data-label": "Active" }, ago(session.last_active_at, board.session.now())),
    h("td", { "data-label": over ? "Ended" : "Ends" }, h("span", { class: "ops-who" }, h("span", {}, dayTime(over ? session.ended_at : session.expires_at)), h("span", { class: "soft small" }, over ? why(session.end_reason) : `${PROFILES[session.profile] ?? session.profile}${session.state === "live" ? "" : `, ${session.state}`}`))),
    h(
      "td",
      { class: "ops-acts" },
      h("a", { class: "button button-small button-quiet", href: `#events?session=${session.id}&kind=all`, "aria-label": `Events of this session of ${name}` }, "Events"),
      !over && h("button", { class: "button button-small", type: "button", "aria-label": `Revoke this session of ${name}`, on: { click: () => end({ session: session.id }, `this one session of ${name}`) } }, "Revoke"),
      !over && h("button", { class: "button button-small", type: "button", "aria-label": `Revoke all sessions of ${name}`, on: { click: () => end({ user_id: user.id }, `every session of ${name}`) } }, "Revoke all"),
    ),
  );
}
