// One's own sessions: what is open where, and why earlier ones ended.

import { dayTime, fill, h, openDialog, timeElement, toast } from "../ui.js";
import { isOver } from "./api.js";
import { ENDED } from "./words.js";

/** @typedef {{id: string, profile: string, device_name: string | null, address: string | null, started_at: string,
 *   last_active_at: string, expires_at: string, ended_at: string | null, end_reason: string | null, current: boolean}} Own */

/** @param {import("./desk.js").Desk} desk */
export function showSessions(desk) {
  const place = h(
    "div",
    { class: "stack" },
    h(
      "p",
      { class: "row soft" },
      h("span", { class: "spinner", "aria-hidden": "true" }),
      "Loading …",
    ),
  );
  openDialog({ title: "My sessions", body: place, className: "dialog-wide" });
  const load = () =>
    desk.attempt(async () => {
      const page = await desk.api.get("/api/auth/sessions/?page_size=30");
      const items = /** @type {Own[]} */ (page.items);
      const [open, over] = [
        items.filter((each) => !each.ended_at),
        items.filter((each) => each.ended_at),
      ];
      fill(
        place,
        h("h3", {}, "Open"),
        h(
          "ul",
          { class: "sessions" },
          open.map((each) => entry(each, () => end(each))),
        ),
        h("h3", {}, "Ended in the last 30 days"),
        over.length
          ? h(
              "ul",
              { class: "sessions" },
              over.map((each) => entry(each)),
            )
          : h("p", { class: "soft" }, "None."),
      );
    });
  const end = (/** @type {Own} */ own) =>
    desk.attempt(async () => {
      await desk.api.send("DELETE", `/api/auth/sessions/${own.id}/`);
      toast("That session has ended.");
      await load();
    });
  return load().catch((error) => {
    if (!isOver(error)) throw error;
  });
}

/**
 * @param {Own} own
 * @param {() => unknown} [end]
 */
function entry(own, end) {
  const place = own.device_name ?? "Unnamed device";
  const when = own.ended_at
    ? [`${dayTime(own.started_at)} to `, timeElement(own.ended_at)]
    : ["since ", timeElement(own.started_at), ", last used ", timeElement(own.last_active_at)];
  const reason = own.end_reason ?? "";
  return h(
    "li",
    { class: "row row-between" },
    h(
      "div",
      {},
      h("strong", {}, place),
      own.address && h("span", { class: "soft small" }, ` ${own.address}`),
      h("p", { class: "soft small" }, when),
    ),
    own.ended_at
      ? h(
          "span",
          { class: reason === "reused" || reason === "revoked" ? "badge badge-warn" : "badge" },
          ENDED[reason] ?? reason,
        )
      : own.current
        ? h("span", { class: "badge badge-good" }, "This workstation")
        : h(
            "button",
            {
              class: "button button-small",
              type: "button",
              "aria-label": `End the session on ${place}`,
              on: { click: end },
            },
            "End",
          ),
  );
}
