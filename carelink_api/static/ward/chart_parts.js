// What stands in a chart beside the vital signs: the handoff, the notes, the care team.

import { dayTime, h, timeElement } from "../ui.js";
import { acceptHandoff, amendNote, withdrawHandoff } from "./records.js";
import { CATEGORIES, ROLES } from "./words.js";

/** @typedef {import("./chart.js").Shown} Shown */

/** @param {Shown} shown */
export function pending({ desk, chart, again }) {
  const handoff = chart.pending_handoff;
  if (!handoff) return null;
  const own = handoff.given_by.id === desk.user.id;
  const act =
    (/** @type {(desk: any, patient: any, handoff: any) => Promise<unknown>} */ what) =>
    async () => {
      await what(desk, chart.patient, handoff);
      await again();
    };
  const button = own
    ? h(
        "button",
        { id: "withdraw", class: "button", type: "button", on: { click: act(withdrawHandoff) } },
        "Take back",
      )
    : chart.may.includes("take_over") &&
      h(
        "button",
        {
          id: "accept",
          class: "button button-primary",
          type: "button",
          on: { click: act(acceptHandoff) },
        },
        "Accept",
      );
  return h(
    "section",
    { class: "card handoff", "aria-label": "Handoff" },
    h(
      "div",
      { class: "card-head" },
      h(
        "div",
        {},
        h(
          "h2",
          {},
          own ? "You have handed this patient over" : `Handoff from ${handoff.given_by.name}`,
        ),
        h(
          "p",
          { class: "soft small" },
          "given ",
          timeElement(handoff.given_at),
          own ? ", not accepted yet: you answer until somebody accepts" : "",
        ),
      ),
      button,
    ),
    h(
      "dl",
      { class: "sbar" },
      [
        ["Situation", handoff.situation],
        ["Background", handoff.background],
        ["Assessment", handoff.assessment],
        ["Recommendation", handoff.recommendation],
      ].map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", { class: "prose" }, text))),
    ),
  );
}

/** @param {Shown} shown */
export function notes({ desk, chart, again }) {
  return h(
    "section",
    { class: "card card-flush", "aria-label": "Notes" },
    h(
      "div",
      { class: "card-head" },
      h("h2", {}, "Notes"),
      h("span", { class: "soft small" }, chart.notes.length >= 30 ? "the latest 30" : ""),
    ),
    chart.notes.length
      ? h(
          "ol",
          { class: "notes" },
          chart.notes.map((note) =>
            h(
              "li",
              { class: "note" },
              h(
                "div",
                { class: "row row-between" },
                h(
                  "span",
                  {},
                  h("strong", {}, note.signed_by.name),
                  " ",
                  h("span", { class: "badge" }, CATEGORIES[note.category] ?? note.category),
                ),
                h("span", { class: "soft small" }, timeElement(note.signed_at)),
              ),
              h("p", { class: "prose" }, note.text),
              note.number > 1 &&
                h("p", { class: "soft small" }, `Version ${note.number}: ${note.because ?? ""}`),
              note.signed_by.id === desk.user.id &&
                chart.may.includes("write") &&
                h(
                  "button",
                  {
                    class: "link-button small",
                    type: "button",
                    "aria-label": `Amend the note of ${dayTime(note.signed_at)}`,
                    on: {
                      click: async () => {
                        if (await amendNote(desk, chart.patient, note)) await again();
                      },
                    },
                  },
                  "Amend",
                ),
            ),
          ),
        )
      : h("p", { class: "empty" }, "Nothing has been written yet."),
  );
}

/** @param {Shown} shown */
export function team({ chart }) {
  if (!chart.care_team.length) return null;
  return h(
    "section",
    { class: "card", "aria-label": "Care team" },
    h("h2", {}, "Care team"),
    h(
      "ul",
      { class: "team" },
      chart.care_team.map((member) =>
        h(
          "li",
          { class: "row row-between" },
          member.name,
          h("span", { class: "badge" }, ROLES[member.role] ?? member.role),
        ),
      ),
    ),
  );
}
