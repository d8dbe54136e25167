// Small helpers that the pages share. Text enters the document as text only: nothing here, and no
// page, makes markup or code of a string (the pages' Trusted Types policy would refuse it).

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, any>} Props */

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "selected", "indeterminate", "htmlFor"]);

/**
 * Make an element: `h("button", {class: "button", on: {click}}, "Save")`.
 *
 * Props are attributes, but for `on` (listeners), `dataset`, and the few that are properties; null,
 * undefined and false are left out, true is the empty string.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  dress(element, props);
  element.append(...nodes(children));
  return element;
}

/**
 * Make an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  dress(element, props);
  element.append(...nodes(children));
  return element;
}

/**
 * @param {Element} element
 * @param {Props} props
 */
function dress(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value))
        element.addEventListener(event, listener);
    } else if (name === "dataset") {
      Object.assign(/** @type {HTMLElement} */ (element).dataset, value);
    } else if (PROPERTIES.has(name)) {
      /** @type {any} */ (element)[name] = value;
    } else if (name === "style" || name.startsWith("on")) {
      throw new TypeError(`${name}: not allowed by the page's policy`);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const found = [];
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    found.push(child instanceof Node ? child : String(child));
  }
  return found;
}

/**
 * Show these children and no others.
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

/**
 * Return the one element that the selector finds. Throws where there is none.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {T}
 */
export function $(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`Nothing on this page is ${selector}`);
  return /** @type {T} */ (found);
}

let numbered = 0;

/**
 * Return an id that no other element of the page has.
 * @param {string} [start]
 */
export function uid(start = "id") {
  numbered += 1;
  return `${start}-${numbered}`;
}

/* ---- Forms -------------------------------------------------------------------------------- */

/**
 * @typedef {object} Field
 * @property {HTMLElement} element  what to put on the page
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @property {(message?: string) => void} fault  say what is wrong with it; nothing: it is right
 */

/**
 * Make a labelled field. `kind` is an input's type, `textarea`, or `select` with `options`.
 * @param {string} label
 * @param {{kind?: string, hint?: string, unit?: string, options?: [string, string][]} & Props} [props]
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

/* ---- Dialogs and toasts ------------------------------------------------------------------- */

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

/* ---- Words for times and faults ----------------------------------------------------------- */

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/**
 * Return the time of day, `14:05`.
 * @param {string | number} at  RFC 3339, or ms
 */
export const clockTime = (at) => CLOCK.format(new Date(at));

/**
 * Return the day and time; the day is left out where it is today's.
 * @param {string | number} at
 * @param {number} [now]  ms
 */
export function dayTime(at, now = Date.now()) {
  const day = new Date(at).toDateString();
  return day === new Date(now).toDateString()
    ? clockTime(at)
    : `${DAY.format(new Date(at))}, ${clockTime(at)}`;
}

/**
 * Return a date, `4 Mar 1951`, of a day without a time zone or of a moment.
 * @param {string | number} at
 */
export function date(at) {
  return DATE.format(
    typeof at === "string" && at.length === 10 ? new Date(`${at}T12:00:00`) : new Date(at),
  );
}

/**
 * Return how long something lasts: `45 s`, `12 min`, `3 h 05 min`.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60)
    return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 1440)} days`;
}

/**
 * Return how long ago something was.
 * @param {string | number} at
 * @param {number} now  ms, by the server's clock
 */
export function ago(at, now) {
  const seconds = (now - new Date(at).getTime()) / 1000;
  return seconds < 60 ? "just now" : `${duration(seconds)} ago`;
}

/**
 * Return a `time` element: the text for people, the moment for machines.
 * @param {string} at
 * @param {string} [text]
 */
export function timeElement(at, text = dayTime(at)) {
  return h("time", { datetime: at, title: `${date(at)}, ${clockTime(at)}` }, text);
}

/**
 * Say in a calm sentence why a request was not answered as hoped.
 * @param {any} error
 */
export function explain(error) {
  if (error?.problem) {
    const waiting = Number(error.problem.status) === 503 || Number(error.status) === 503;
    return waiting
      ? "CareLink is busy for the moment. Nothing was lost; it is tried again."
      : String(error.problem.detail || error.problem.title);
  }
  if (error?.name === "Unreachable" || error instanceof TypeError) {
    return "CareLink cannot be reached. Nothing was lost; it is tried again.";
  }
  return "That did not work. Try again.";
}
