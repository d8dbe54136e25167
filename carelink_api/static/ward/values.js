// What was measured, value by value, and what of it was wrong. Nothing is deleted: a wrong value stays
// on record with who found it, and counts no more.

import { dayTime, explain, field, fill, h, openDialog, timeElement, toast } from "../ui.js";
import { isOver } from "./api.js";
import { formDialog } from "./forms.js";
import { kindOf, written } from "./signs.js";

/** @typedef {import("./board.js").Person} Person */
/** @typedef {{id: number, code: string, value: number, unit: string, effective_at: string, recorded_by: Person,
 *   status: string, marked_at: string | null, marked_by: Person | null, marked_because: string | null}} Value */

const SHOWN = 40;
/** A value changes once, when it is found wrong: what still counts is its first version. */
const VERSION = 1;

/**
 * Show them; true where one has been marked.
 * @param {import("./chart.js").Shown} shown
 */
export async function showValues({ desk, chart }) {
  let changed = false;
  const place = h("div", { class: "stack" }, h("p", { class: "soft", role: "status" }, "Loading …"));
  const dialog = openDialog({ title: "Recorded values", className: "dialog-wide", body: place });
  const path = `/api/patients/${chart.patient.id}/observations/`;
  const load = async () => {
    try {
      const page = await desk.api.get(`${path}?page_size=${SHOWN}`);
      const values = /** @type {Value[]} */ (page.items);
      const mark = async (/** @type {Value} */ value) => {
        if (!(await markWrong(desk, path, value))) return;
        changed = true;
        await load();
      };
      fill(
        place,
        values.length
          ? h("ul", { class: "values" }, values.map((each) => line(each, chart.may, mark)))
          : h("p", { class: "empty" }, "Nothing has been measured yet."),
        page.total > SHOWN && h("p", { class: "soft small" }, `The latest ${SHOWN} of ${page.total}.`),
      );
    } catch (error) {
      if (!isOver(error)) fill(place, h("p", { role: "alert" }, explain(error)));
    }
  };
  await load();
  await dialog.closed;
  return changed;
}

/** @param {Value} value */
const said = ({ code, value, unit }) => `${written(code, value)} ${kindOf(code).unit || unit}`;

/**
 * @param {Value} value
 * @param {string[]} may
 * @param {(value: Value) => unknown} mark
 */
function line(value, may, mark) {
  const { name } = kindOf(value.code);
  const wrong = value.status !== "final";
  const text = `${name} ${said(value)}`;
  return h(
    "li",
    { class: "row row-between" },
    h(
      "div",
      {},
      wrong ? h("s", {}, text) : h("span", {}, name, " ", h("strong", {}, said(value))),
      h("p", { class: "soft small" }, timeElement(value.effective_at), `, ${value.recorded_by.name}`),
      wrong &&
        h(
          "p",
          { class: "small" },
          `Wrong: ${value.marked_because ?? ""} (${value.marked_by?.name ?? ""}, ${dayTime(value.marked_at ?? "")})`,
        ),
    ),
    wrong
      ? h("span", { class: "badge badge-warn" }, "wrong")
      : may.includes("write") &&
          h(
            "button",
            {
              class: "button button-small",
              type: "button",
              "aria-label": `Mark as wrong: ${text}, ${dayTime(value.effective_at)}`,
              on: { click: () => mark(value) },
            },
            "Wrong …",
          ),
  );
}

/**
 * @param {import("./desk.js").Desk} desk
 * @param {string} path
 * @param {Value} value
 */
async function markWrong(desk, path, value) {
  const because = field("Why is it wrong?", {
    maxlength: 200,
    autocomplete: "off",
    hint: "The value stays on record, struck through, with your name and this reason.",
  });
  const marked = await formDialog(desk, {
    title: "Mark as wrong",
    fields: { because },
    body: [
      h("p", {}, `${kindOf(value.code).name} `, h("strong", {}, said(value)), `, measured ${dayTime(value.effective_at)}`),
      because.element,
    ],
    yes: "Mark as wrong",
    danger: true,
    check: (values) => (values.because?.trim() ? null : { because: "Say why." }),
    send: (values) =>
      desk.api.send(
        "POST",
        `${path}${value.id}/entered-in-error/`,
        { because: values.because?.trim() },
        { version: VERSION },
      ),
    explain: (error) =>
      error?.status === 412 ? "Somebody has marked it meanwhile. Close this and look again." : null,
  });
  if (marked) desk.whenAwake(() => toast("It counts no more."));
  return marked;
}
