// The event stream: what happens, as it happens; the newest on top.

import { dayTime, fill, h } from "../ui.js";
import { EVENTS, counted, who, why } from "./words.js";

const KEPT = 300;
/** @type {[string, string][]} */
const KINDS = [
  ["alerts", "Alerts"],
  ["notable", "Notable"],
  ["all", "Everything"],
];
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
/** @type {Record<string, string>} */
const BADGES = { alert: "badge-bad", refused: "badge-warn", success: "" };

/**
 * @param {import("./console.js").Console} board
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 * @returns {import("./console.js").View}
 */
export function showEvents(board, signal, query) {
  const kind = query.get("kind") ?? "notable";
  const about = ["session", "user_id"].filter((name) => query.get(name));
  const list = h("ol", { class: "card card-flush ops-events", "aria-label": "Events" });
  const note = h("p", { class: "soft small" });
  /** @type {Map<number, HTMLElement>} */
  const known = new Map();
  /** @type {number | null} */
  let after = null;
  let paused = false;
  const pause = h("button", { class: "button button-small", type: "button", "aria-pressed": "false", on: { click: () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
  } } }, "Pause");
  const poll = async () => {
    if (paused) return;
    const asked = new URLSearchParams({ kind, ...(after === null ? {} : { after: String(after) }) });
    for (const name of about) asked.set(name, /** @type {string} */ (query.get(name)));
    const found = await board.ask(`/api/ops/events/?${asked}`, signal);
    for (const event of found.items) {
      if (known.has(event.id)) continue;
      const shown = row(event);
      known.set(event.id, shown);
      place(list, shown, event.id);
    }
    after = found.next_after;
    while (list.childElementCount > KEPT) list.lastElementChild?.remove();
    if (known.size > 4 * KEPT) for (const id of [...known.keys()].slice(0, KEPT)) known.delete(id);
    if (!known.size) fill(list, h("li", { class: "empty" }, h("strong", {}, "Nothing in the last hour."), h("span", {}, "What happens appears here by itself.")));
    else list.querySelector(".empty")?.remove();
    note.textContent = found.skipped ? "There were more than fit; these are the newest." : "Asked for every 5 seconds.";
  };
  const extra = about.map((name) => `&${name}=${query.get(name)}`).join("");
  const tabs = KINDS.map(([name, text]) => h("a", { class: "tab", href: `#events?kind=${name}${extra}`, "aria-current": name === kind ? "page" : null }, text));
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "page-head ops-head" }, h("h1", {}, about.length ? "Events of one session or user" : "Events"), h("div", { class: "row" }, note, pause)),
    h("nav", { class: "tabs", "aria-label": "Which events" }, tabs, about.length > 0 && h("a", { class: "tab", href: "#events" }, "Of everybody")),
    list,
  );
  return { element, poll, every: 5 };
}

/**
 * Put a row where its id belongs: an event may become known after a younger one.
 * @param {Element} list
 * @param {HTMLElement} shown
 * @param {number} id
 */
function place(list, shown, id) {
  for (const other of list.children) {
    if (Number(/** @type {HTMLElement} */ (other).dataset.id ?? 0) < id) return list.insertBefore(shown, other);
  }
  return list.append(shown);
}

/** @param {any} event */
function row(event) {
  const { detail } = event;
  const actor = event.actor_name ?? (event.actor === `user:${event.user?.id}` ? null : event.actor);
  const own = event.user && event.actor === `user:${event.user.id}`;
  const said = [
    why(event.reason),
    detail.selected !== undefined && `${counted(detail.selected, "session")} selected`,
    detail.ended !== undefined && `${counted(detail.ended, "session")} ended`,
    detail.remaining > 0 && `${detail.remaining} remain`,
    detail.generations_back !== undefined && event.event === "session:reused" && `${counted(detail.generations_back, "generation")} old`,
    detail.limit,
    detail.why && `“${detail.why}”`,
  ].filter(Boolean);
  return h(
    "li",
    { dataset: { id: String(event.id), event: event.event }, class: `ops-event ops-event-${event.outcome}` },
    h("time", { class: "mono", datetime: event.at, title: dayTime(event.at) }, CLOCK.format(new Date(event.at))),
    h(
      "div",
      { class: "ops-event-body" },
      h("p", {}, h("span", { class: "strong" }, EVENTS[event.event] ?? event.event), " ", event.outcome !== "success" && h("span", { class: `badge ${BADGES[event.outcome] ?? ""}` }, event.outcome)),
      h(
        "p",
        { class: "soft small" },
        event.user && h("a", { href: `#sessions?user_id=${event.user.id}&status=all` }, who(event.user)),
        !own && actor && `${event.user ? ", by " : "by "}${actor}`,
        event.address && ` from ${event.address}`,
        said.length > 0 && ` · ${said.join(" · ")}`,
        event.session && [" · ", h("a", { href: `#sessions?session=${event.session}&status=all` }, "session")],
      ),
    ),
  );
}
