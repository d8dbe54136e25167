// Labelled fields, and buttons that say that they are busy.

import { h, uid } from "./dom.js";

/**
 * @typedef {object} Field
 * @property {HTMLElement} element  what to put on the page
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @property {(message?: string) => void} fault  say what is wrong with it; nothing: it is right
 */

/**
 * Make a labelled field. `kind` is an input's type, `textarea`, or `select` with `options`.
 * @param {string} label
 * @param {{kind?: string, hint?: string, unit?: string, options?: [string, string][]} & import("./dom.js").Props} [props]
 * @returns {Field}
 */
export function field(label, { kind = "text", hint, unit, options = [], ...props } = {}) {
  const id = props.id ?? uid("field");
  const [hintId, faultId] = [`${id}-hint`, `${id}-fault`];
  const shared = { ...props, id, "aria-describedby": hint ? `${hintId} ${faultId}` : faultId };
  const input =
    kind === "textarea"
      ? h("textarea", shared)
      : kind === "select"
        ? h(
            "select",
            shared,
            options.map(([value, text]) => h("option", { value }, text)),
          )
        : h("input", { type: kind, ...shared });
  if (kind === "select" && props.value !== undefined) input.value = props.value;
  const fault = h("p", { class: "fault", id: faultId });
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    unit ? h("span", { class: "with-unit" }, input, h("span", { class: "unit" }, unit)) : input,
    hint && h("p", { class: "hint", id: hintId }, hint),
    fault,
  );
  return {
    element,
    input,
    fault(message = "") {
      fault.textContent = message;
      if (message) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  };
}

/**
 * Run an action while its button says so; a second press meanwhile does nothing.
 * @template T
 * @param {HTMLButtonElement | null} button
 * @param {() => Promise<T>} action
 * @returns {Promise<T | undefined>}
 */
export async function busy(button, action) {
  if (button?.getAttribute("aria-busy") === "true") return undefined;
  button?.setAttribute("aria-busy", "true");
  try {
    return await action();
  } finally {
    button?.removeAttribute("aria-busy");
  }
}
