// The review queue of emergencies, for administrators: who, when, where and why; not what it holds.

import { EMERGENCIES } from "../ward/words.js";
import { busy, dayTime, explain, field, fill, h, toast } from "../ui.js";
import { counted } from "./words.js";

/** @type {[string, string][]} */
const OUTCOMES = [
  ["appropriate", "Appropriate"],
  ["inappropriate", "Inappropriate"],
  ["unclear", "Unclear: ask again"],
];
/** @type {[string, string][]} */
const STATUSES = [
  ["awaiting", "Waiting"],
  ["overdue", "Overdue"],
  ["settled", "Settled"],
];
/** @type {Record<string, string>} */
const ENDS = { given_back: "given back", ran_out: "ran out", session_ended: "ended with the session" };
/** @type {Record<string, string>} */
const CONCERNS = { own: "their own record", colleague: "a colleague's record", vip: "somebody of public interest" };
const REASONS = Object.fromEntries(EMERGENCIES);

/**
 * @param {import("./console.js").Console} board
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 * @returns {import("./console.js").View}
 */
export function showReviews(board, signal, query) {
  const status = query.get("status") ?? "awaiting";
  const list = h("div", { class: "stack", "aria-live": "polite" });
  const load = async () => {
    const found = await board.api.get(`/api/break-glass/reviews/?status=${status}`, { signal });
    if (!found.total) return fill(list, h("div", { class: "empty card" }, h("strong", {}, status === "settled" ? "Nothing has been reviewed yet." : "Nothing waits for a review."), h("span", {}, "Your own emergencies are reviewed by somebody else.")));
    return fill(list, h("p", { class: "strong" }, counted(found.total, "emergency", "emergencies")), found.items.map((/** @type {any} */ each) => card(board, each, load)));
  };
  load().catch(() => {});
  const tabs = STATUSES.map(([name, text]) => h("a", { class: "tab", href: `#reviews?status=${name}`, "aria-current": name === status ? "page" : null }, text));
  return {
    element: h(
      "div",
      { class: "stack stack-wide" },
      h("div", { class: "page-head ops-head" }, h("h1", {}, "Review queue")),
      h("p", {}, "Each record that was opened in an emergency. Ask who opened it where it is unclear; nothing of the record is shown here."),
      h("nav", { class: "tabs", "aria-label": "Which reviews" }, tabs),
      list,
    ),
  };
}

/**
 * @param {import("./console.js").Console} board
 * @param {any} grant
 * @param {() => Promise<void>} again
 */
function card(board, grant, again) {
  /** @type {[string, string][]} */
  const lines = [
    ["Who", `${grant.user.name}, ${grant.user.user_type}`],
    ["When", `${dayTime(grant.opened_at)}${grant.in_handoff ? ", in handoff time" : ""}${grant.open ? ", still open" : ""}${grant.ended_at ? `; ${ENDS[grant.end_reason] ?? "ended"} ${dayTime(grant.ended_at)}` : ""}`],
    ["Record", `patient number ${grant.patient_id}${grant.unit ? `, then in ${grant.unit.name}` : ""}; used ${counted(grant.accesses, "time")}`],
    .../** @type {[string, string][]} */ (grant.concerns.length ? [["Look closely", grant.concerns.map((/** @type {string} */ each) => CONCERNS[each] ?? each).join(", ")]] : []),
    ["Why", `${REASONS[grant.reason_code] ?? grant.reason_code}: “${grant.reason_text}”`],
    .../** @type {[string, string][]} */ (grant.reviews.map((/** @type {any} */ one) => ["Review", `${one.outcome}: “${one.comment}”, ${dayTime(one.reviewed_at)}`])),
  ];
  return h(
    "article",
    { class: "card stack" },
    h("div", { class: "row row-between" }, h("h2", {}, grant.user.name), h("span", { class: `badge ${grant.overdue ? "badge-bad" : "badge-warn"}` }, grant.outcome && grant.outcome !== "unclear" ? grant.outcome : grant.overdue ? `Overdue since ${dayTime(grant.due_at)}` : `Due ${dayTime(grant.due_at)}`)),
    h("dl", { class: "facts" }, lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    (grant.outcome === null || grant.outcome === "unclear") && form(board, grant, again),
  );
}

/**
 * @param {import("./console.js").Console} board
 * @param {any} grant
 * @param {() => Promise<void>} again
 */
function form(board, grant, again) {
  const outcome = field("Finding", { kind: "select", options: [["", "Choose …"], ...OUTCOMES] });
  const comment = field("Comment", { maxlength: 1000, autocomplete: "off" });
  const place = h("div", { role: "alert" });
  const button = h("button", { class: "button button-primary", type: "submit" }, "Settle");
  const submit = async () => {
    outcome.fault(outcome.input.value ? "" : "Choose a finding.");
    comment.fault(comment.input.value.trim() ? "" : "Say what you found.");
    if (!outcome.input.value || !comment.input.value.trim()) return;
    try {
      await board.api.send("POST", `/api/break-glass/${grant.id}/reviews/`, { outcome: outcome.input.value, comment: comment.input.value.trim() });
      toast("Review recorded.");
      await again();
    } catch (error) {
      fill(place, h("div", { class: "notice notice-bad" }, h("p", {}, explain(error))));
    }
  };
  const listener = (/** @type {Event} */ event) => {
    event.preventDefault();
    busy(button, submit);
  };
  return h("form", { class: "ops-review", novalidate: true, on: { submit: listener } }, outcome.element, comment.element, button, place);
}
