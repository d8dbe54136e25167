// Dialogs, questions, and words in the corner.

import { h, uid } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * @typedef {object} Opened
 * @property {HTMLDialogElement} element
 * @property {(value?: any) => void} close
 * @property {Promise<any>} closed  what it was closed with; undefined where it was dismissed
 */

/**
 * Open a modal dialog. It leaves the document when it closes, and gives the focus back.
 *
 * Where `mayClose` is given, Escape and the cross ask it first.
 * @param {object} options
 * @param {string} options.title
 * @param {Child | Child[]} options.body
 * @param {Child | Child[]} [options.actions]  buttons of the foot, the main one last
 * @param {(event: SubmitEvent) => void} [options.onSubmit]  makes the dialog a form
 * @param {() => boolean} [options.mayClose]
 * @param {boolean} [options.required]  neither Escape nor a cross closes it
 * @param {string} [options.className]
 * @param {ParentNode & Node} [options.within]
 * @returns {Opened}
 */
export function openDialog({
  title,
  body,
  actions,
  onSubmit,
  mayClose = () => true,
  required = false,
  className = "",
  within = document.body,
}) {
  const heading = uid("dialog");
  /** @type {(value: any) => void} */
  let settle = () => {};
  const closed = new Promise((resolve) => {
    settle = resolve;
  });
  const dismiss = () => mayClose() && close();
  const cross = h(
    "button",
    {
      class: "button button-quiet button-small",
      type: "button",
      "aria-label": "Close",
      on: { click: dismiss },
    },
    "✕",
  );
  const parts = [
    h("div", { class: "dialog-head" }, h("h2", { id: heading }, title), !required && cross),
    h("div", { class: "dialog-body" }, body),
    actions && h("div", { class: "dialog-foot" }, actions),
  ];
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    onSubmit?.(event);
  };
  const element = h(
    "dialog",
    {
      class: className,
      "aria-labelledby": heading,
      on: {
        cancel: (/** @type {Event} */ event) => {
          event.preventDefault();
          if (!required) dismiss();
        },
      },
    },
    onSubmit ? h("form", { novalidate: true, on: { submit } }, parts) : parts,
  );
  /** @param {any} [value] */
  function close(value) {
    element.close();
    element.remove();
    settle(value);
  }
  within.append(element);
  element.showModal();
  return { element, close, closed };
}

/**
 * Ask a question; true where the answer is yes.
 * @param {{title: string, text: string, yes: string, no?: string, danger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export async function ask({ title, text, yes, no = "Cancel", danger = false }) {
  const way = danger ? "button-danger" : "button-primary";
  const dialog = openDialog({
    title,
    body: h("p", {}, text),
    actions: [
      h(
        "button",
        { class: "button", type: "button", on: { click: () => dialog.close(false) } },
        no,
      ),
      h(
        "button",
        { class: `button ${way}`, type: "button", on: { click: () => dialog.close(true) } },
        yes,
      ),
    ],
  });
  return (await dialog.closed) === true;
}

const SHOWN_MS = 6000;

/**
 * Say something in the corner for some seconds. Screen readers read it when they are done.
 * @param {string} text
 * @param {"" | "good" | "warn" | "bad"} [kind]
 */
export function toast(text, kind = "good") {
  const corner =
    document.querySelector(".toasts") ??
    document.body.appendChild(
      h("div", { class: "toasts", role: "status", "aria-live": "polite", popover: "manual" }),
    );
  const shown = h("div", { class: `toast toast-${kind}` }, text);
  corner.append(shown);
  const popover = /** @type {any} */ (corner);
  popover.hidePopover?.();
  popover.showPopover?.(); // above whatever dialog is open
  setTimeout(() => {
    shown.remove();
    if (!corner.childElementCount) popover.hidePopover?.();
  }, SHOWN_MS);
}
