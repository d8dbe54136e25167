// A card with a form on it, and nothing else on the page: what stands before a session, and what a
// login is refused with.

import { busy, clockTime, dayTime, explain, fill, h } from "./ui.js";

/** @typedef {import("./ui.js").Child} Child */

/**
 * Show a card and nothing else.
 * @param {Element} root
 * @param {string} title
 * @param {string} subtitle
 * @param {...(Child | Child[])} children
 */
export function showCard(root, title, subtitle, ...children) {
  const brand = h(
    "div",
    { class: "entry-brand" },
    h("img", { src: "/static/icon.svg", alt: "", width: 48, height: 48 }),
    h("div", {}, h("h1", {}, title), h("p", { class: "soft" }, subtitle)),
  );
  const card = h("div", { class: "entry-card card stack" }, brand, ...children);
  fill(root, h("main", { id: "main", class: "entry", tabindex: "-1" }, card));
}

/**
 * Make a form that ends with one wide button. What goes wrong stands above its fields, and the
 * password is typed anew.
 * @param {string} label
 * @param {import("./ui.js").Field} password
 * @param {Node[]} fields
 * @param {() => Promise<unknown>} act
 */
export function passwordForm(label, password, fields, act) {
  const fault = h("div", { role: "alert" });
  const button = h("button", { class: "button button-primary button-wide", type: "submit" }, label);
  const submit = async () => {
    fill(fault);
    try {
      await act();
    } catch (error) {
      fill(fault, h("div", { class: "notice notice-bad" }, h("p", {}, refused(error))));
      password.input.value = "";
      password.input.focus();
    }
  };
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    busy(button, submit);
  };
  return h(
    "form",
    { class: "stack", novalidate: true, on: { submit: onSubmit } },
    fault,
    fields,
    button,
  );
}

/**
 * Say why a login was refused.
 * @param {any} error
 */
export function refused(error) {
  const problem = error?.problem;
  if (problem?.code === "invalid_credentials") return "E-mail or password is wrong.";
  if (problem?.code === "outside_shift") {
    const next = problem.next_shift_starts_at;
    return next
      ? `You are not on shift now. Your next shift starts ${dayTime(next)}; you can log in half an hour before.`
      : "You are not on shift now, and the roster has no further shift of yours.";
  }
  if (problem?.code === "throttled") {
    const until = error.retryAfter
      ? ` at ${clockTime(Date.now() + error.retryAfter * 1000)}`
      : " in a minute";
    return `Too many attempts. Try again${until}.`;
  }
  return explain(error);
}
