// A dialog for what an administrator does to an account: with a reason, and the password again where
// the login is not fresh.

import { busy, explain, field, fill, h, openDialog } from "../ui.js";

/** @typedef {import("../ui.js").Field} Field */
/**
 * @typedef {object} Order
 * @property {string} title
 * @property {string} words  what it does
 * @property {string} method
 * @property {string} path
 * @property {Record<string, Field>} [fields]  by the member of the body
 * @property {() => Record<string, unknown>} [body]  of the fields
 * @property {[string, string, string]} [why]  the member that says why, its label and its hint
 * @property {string} button
 * @property {boolean} [danger]
 * @property {(answer: any) => Node[]} [shown]  what to show of the answer before it is closed
 */

const REASON = /** @type {[string, string, string]} */ (["reason", "Why", "Kept in the audit trail."]);

/**
 * Carry out an order when told so; true where it was.
 * @param {import("./console.js").Console} board
 * @param {Order} order
 * @returns {Promise<boolean>}
 */
export async function carryOut(board, order) {
  const [member, label, hint] = order.why ?? REASON;
  const why = field(label, { maxlength: 200, autocomplete: "off", hint, required: true });
  const password = field("Your password", { kind: "password", autocomplete: "current-password", maxlength: 1024, hint: "Asked because you logged in more than five minutes ago." });
  password.element.hidden = true;
  const place = h("div", { role: "alert" });
  const body = h("div", { class: "stack" }, h("p", {}, order.words), Object.values(order.fields ?? {}).map((each) => each.element), why.element, password.element, place);
  const button = h("button", { class: `button ${order.danger ? "button-danger" : "button-primary"}`, type: "submit" }, order.button);
  const close = h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel");
  const foot = h("div", { class: "row" }, close, button);
  let done = false;
  const submit = async () => {
    const told = why.input.value.trim();
    why.fault(told.length < 3 ? "Say it in a few words." : "");
    const empty = Object.values(order.fields ?? {}).filter(({ input }) => input.required && !input.value.trim());
    for (const each of Object.values(order.fields ?? {})) each.fault(empty.includes(each) ? "Fill this in." : "");
    if (empty[0]) return empty[0].input.focus();
    if (told.length < 3) return why.input.focus();
    fill(place);
    const asked = order.body?.() ?? {};
    if (order.fields && !Object.keys(asked).length) return fill(place, h("div", { class: "notice" }, h("p", {}, "Nothing is different from before.")));
    const sent = { ...asked, [member]: told, ...(password.input.value ? { password: password.input.value } : {}) };
    try {
      const answer = await board.api.send(order.method, order.path, sent);
      done = true;
      const shown = order.shown?.(answer);
      if (!shown) return dialog.close();
      close.textContent = "Close";
      fill(foot, close);
      fill(body, ...shown);
      return close.focus();
    } catch (error) {
      return refused(/** @type {any} */ (error));
    }
  };
  const refused = (/** @type {any} */ error) => {
    const { code, errors = {} } = error?.problem ?? {};
    password.input.value = "";
    if (code === "insufficient_user_authentication" || code === "invalid_credentials") {
      password.element.hidden = false;
      password.fault(code === "invalid_credentials" ? "That is not your password. Nothing was done." : "");
      return password.input.focus();
    }
    const known = { ...order.fields, [member]: why };
    const named = Object.entries(errors).filter(([name]) => name in known);
    for (const [name, faults] of named) known[name]?.fault(/** @type {string[]} */ (faults).join(" "));
    return named.length ? undefined : fill(place, h("div", { class: "notice notice-bad" }, h("p", {}, explain(error))));
  };
  const dialog = openDialog({ title: order.title, body, actions: foot, onSubmit: () => busy(button, submit) });
  await dialog.closed;
  return done;
}
