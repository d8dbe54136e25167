// Accounts, for administrators: find, make and change one, make a code for who has lost the password,
// let in, keep out.

import { dayTime, field, fill, h } from "../ui.js";
import { carryOut } from "./orders.js";
import { USER_TYPES, counted } from "./words.js";

const PAGE = 50;
const PATH = "/api/accounts/";
/** @type {[string, string][]} */
const TYPES = [["nurse", "Nurse"], ["doctor", "Doctor"], ["researcher", "Researcher"], ["patient", "Patient"]];
/** @type {Record<string, string>} */
const TYPE_OF = { ...Object.fromEntries(TYPES.map(([type, word]) => [type, word.toLowerCase()])), admin: "administrator", ops: "operator" };
const IDENTITY = /** @type {[string, string, string]} */ (["identity", "How do you know who asks?", "For example “badge seen” or “called back on the ward's number”. Kept in the audit trail."]);

/** @typedef {import("./console.js").Console} Console */

/**
 * @param {Console} board
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 * @returns {import("./console.js").View}
 */
export function showAccounts(board, signal, query) {
  const q = field("Name or e-mail", { kind: "search", value: query.get("q") ?? "", autocomplete: "off", maxlength: 100 });
  const type = field("User type", { kind: "select", options: [["", "All"], ...Object.entries(USER_TYPES)] });
  const results = h("div", { class: "stack", "aria-live": "polite" });
  let page = 1;
  const run = async (/** @type {number} */ wanted) => {
    page = wanted;
    const asked = new URLSearchParams({ page: String(page), page_size: String(PAGE) });
    if (q.input.value.trim()) asked.set("q", q.input.value.trim());
    if (type.input.value) asked.set("user_type", type.input.value);
    try {
      const found = await board.api.get(`${PATH}?${asked}`, { signal });
      fill(results, shown(board, found, (by) => run(page + by), () => run(page)));
    } catch {
      if (!signal.aborted) fill(results, h("div", { class: "notice notice-warn" }, h("p", {}, "The list cannot be read now. Try again.")));
    }
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    run(1);
  };
  run(1);
  return {
    element: h(
      "div",
      { class: "stack stack-wide" },
      h(
        "div",
        { class: "page-head ops-head row row-between" },
        h("h1", {}, "Accounts"),
        h("button", { class: "button", type: "button", on: { click: () => create(board).then((made) => (made ? run(1) : undefined)) } }, "New account …"),
      ),
      h(
        "form",
        { class: "card ops-search", novalidate: true, role: "search", on: { submit } },
        q.element,
        type.element,
        h("button", { class: "button button-primary", type: "submit" }, "Search"),
      ),
      results,
    ),
  };
}

/**
 * @param {Console} board
 * @param {any} found
 * @param {(by: number) => unknown} turn
 * @param {() => unknown} again
 */
function shown(board, found, turn, again) {
  if (!found.total) return h("div", { class: "empty card" }, h("strong", {}, "No account matches."));
  const last = Math.max(1, Math.ceil(found.total / PAGE));
  const pager = h(
    "div",
    { class: "row" },
    h("button", { class: "button button-small", type: "button", disabled: found.page <= 1, on: { click: () => turn(-1) } }, "Back"),
    h("span", { class: "soft small" }, `Page ${found.page} of ${last}`),
    h("button", { class: "button button-small", type: "button", disabled: found.page >= last, on: { click: () => turn(1) } }, "On"),
  );
  const heads = ["Who", "Unit", "State", ""].map((name) => h("th", { scope: "col" }, name || h("span", { class: "hidden-visually" }, "Actions")));
  return [
    h("div", { class: "row row-between" }, h("p", { class: "strong" }, counted(found.total, "account")), last > 1 && pager),
    h(
      "div",
      { class: "card card-flush table-wrap" },
      h(
        "table",
        { class: "table-cards table-hover ops-accounts" },
        h("thead", {}, h("tr", {}, heads)),
        h("tbody", {}, found.items.map((/** @type {any} */ each) => row(board, each, again))),
      ),
    ),
  ];
}

/**
 * @param {Console} board
 * @param {any} account
 * @param {() => unknown} again
 */
function row(board, account, again) {
  const act = (/** @type {string} */ text, /** @type {(board: Console, account: any) => Promise<boolean>} */ what) =>
    h("button", { class: "button button-small", type: "button", "aria-label": `${text} ${account.name}`, on: { click: () => what(board, account).then((done) => done && again()) } }, text);
  const acts = account.administered
    ? [
        act("Change …", change),
        account.state !== "disabled" && act("Code …", makeCode),
        account.state !== "enabled" && act("Enable …", enable),
        account.state !== "disabled" && act("Disable …", disable),
      ]
    : [h("span", { class: "soft small" }, "Changed at the server")];
  const two = (/** @type {string} */ first, /** @type {string} */ second) =>
    h("span", { class: "ops-who" }, h("span", {}, first), h("span", { class: "soft small" }, second));
  return h(
    "tr",
    {},
    h("th", { scope: "row", "data-label": "Who" }, two(account.name, account.email)),
    h("td", { "data-label": "Unit" }, two(account.unit?.name ?? "–", TYPE_OF[account.user_type] ?? account.user_type)),
    h("td", { "data-label": "State" }, two(STATES[account.state] ?? account.state, passwordState(account))),
    h("td", { class: "ops-acts" }, acts),
  );
}

/** @type {Record<string, string>} */
const STATES = { enabled: "Enabled", disabled: "Disabled", blocked: "Blocked: too many wrong passwords" };

/** @param {any} account */
function passwordState({ password_state: state, code_expires_at: until }) {
  const words = { none: "No password yet", temporary: "To be changed at the next login", own: "" }[/** @type {string} */ (state)];
  const code = until && Date.parse(until) > Date.now() ? `Code out until ${dayTime(until)}` : "";
  return [words, code].filter(Boolean).join(" · ");
}

/**
 * @param {Console} board
 * @param {any} account
 */
const makeCode = (board, account) =>
  carryOut(board, {
    title: `Code for ${account.name}`,
    words: "With it and the e-mail they choose a new password. When they do, every session of theirs ends. A code from before is void.",
    method: "POST",
    path: `${PATH}${account.id}/code/`,
    why: IDENTITY,
    button: "Make the code",
    shown: ({ code, expires_at: until }) => [
      h("p", {}, `For ${account.email}. It is shown only now:`),
      h("p", { class: "ops-code mono" }, code),
      h("p", { class: "soft" }, `It works once, until ${dayTime(until)}. They type it at “I have a one-time code”.`),
    ],
  });

/**
 * @param {Console} board
 * @param {any} account
 */
const disable = (board, account) =>
  carryOut(board, {
    title: `Disable ${account.name}`,
    words: "Every session ends at once, and nobody logs in with this account until it is enabled again.",
    method: "POST",
    path: `${PATH}${account.id}/disable/`,
    button: "Disable",
    danger: true,
  });

/**
 * @param {Console} board
 * @param {any} account
 */
const enable = (board, account) =>
  carryOut(board, {
    title: `Enable ${account.name}`,
    words: "The account may log in again, and its wrong passwords are forgotten.",
    method: "POST",
    path: `${PATH}${account.id}/enable/`,
    button: "Enable",
  });

/** @param {Console} board */
async function create(board) {
  const fields = {
    email: field("E-mail", { kind: "email", autocomplete: "off", maxlength: 254, required: true }),
    ...person(await unitsOf(board)),
  };
  return carryOut(board, {
    title: "New account",
    words: "It has no password. Make a code for it then, with which its owner chooses one.",
    method: "POST",
    path: PATH,
    fields,
    body: () => ({ email: fields.email.input.value.trim(), ...said(fields) }),
    button: "Create",
  });
}

/**
 * Only what was changed is sent: what another administrator has changed meanwhile stays.
 * @param {Console} board
 * @param {any} account
 */
async function change(board, account) {
  const fields = person(await unitsOf(board), account);
  const before = { name: account.name, user_type: account.user_type, unit_id: account.unit?.id ?? null };
  return carryOut(board, {
    title: `Change ${account.name}`,
    words: "Another user type, or a unit with a stricter profile, ends every session of theirs at once.",
    method: "PATCH",
    path: `${PATH}${account.id}/`,
    fields,
    body: () => Object.fromEntries(Object.entries(said(fields)).filter(([member, value]) => value !== /** @type {any} */ (before)[member])),
    button: "Change",
    shown: ({ sessions_ended: ended }) => [h("p", {}, `Changed. ${ended ? `${counted(ended, "session")} ended.` : "No session ended."}`)],
  });
}

/**
 * @param {Console} board
 * @returns {Promise<[string, string][]>}
 */
async function unitsOf(board) {
  const units = await board.api.get("/api/units/?page_size=200").catch(() => ({ items: [] }));
  return units.items.map((/** @type {any} */ each) => [String(each.id), each.name]);
}

/**
 * @param {[string, string][]} units
 * @param {any} [account]
 */
function person(units, account = {}) {
  const { unit } = account;
  /** @type {[string, string][]} */
  const own = unit && !units.some(([id]) => id === String(unit.id)) ? [[String(unit.id), unit.name]] : [];
  return {
    name: field("Name", { value: account.name, autocomplete: "off", maxlength: 200, required: true }),
    user_type: field("User type", { kind: "select", options: TYPES, value: account.user_type }),
    unit_id: field("Unit", { kind: "select", options: [["", "None"], ...units, ...own], value: unit ? String(unit.id) : "" }),
  };
}

/** @param {ReturnType<typeof person>} fields */
const said = ({ name, user_type: type, unit_id: unit }) => ({
  name: name.input.value.trim(),
  user_type: type.input.value,
  unit_id: Number(unit.input.value) || null,
});
