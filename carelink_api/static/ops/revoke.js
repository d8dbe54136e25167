// Ending sessions: what would end, why, yes, and what has ended. One screen, in this order.

import { busy, explain, field, fill, h, openDialog } from "../ui.js";
import { PROFILES, USER_TYPES, counted } from "./words.js";

/** @typedef {import("./console.js").Console} Console */
/** @typedef {Record<string, unknown>} Selection */

const PATH = "/api/ops/revocations/";
/** How many more than counted may end: who logs in between the look and the yes. */
const spare = (/** @type {number} */ count) => count + Math.max(10, Math.ceil(count / 10));

/**
 * Ask first what is to be revoked.
 * @param {Console} board
 */
export async function chooseAndRevoke(board) {
  const { sessions } = await board.ask("/api/ops/numbers/").catch(() => ({ sessions: { by_unit: [] } }));
  board.whenAwake(() => choose(board, sessions));
}

/**
 * @param {Console} board
 * @param {any} sessions  the numbers of them
 */
function choose(board, sessions) {
  /** @type {[string, Selection, string][]} */
  const choices = [
    ...sessions.by_unit.map((/** @type {any} */ unit) => [`Unit: ${unit.name}`, { unit_id: unit.id }, `everybody of ${unit.name}`]),
    ...Object.entries(USER_TYPES).map(([type, name]) => [`User type: ${name}`, { user_type: type }, `all ${name}`]),
    ...Object.entries(PROFILES).map(([profile, name]) => [`Profile: ${name}`, { profile }, `every session of profile ${name}`]),
  ];
  const choice = field("Unit, user type or profile", {
    kind: "select",
    options: [["", "Choose …"], ...choices.map(([text], i) => /** @type {[string, string]} */ ([String(i), text]))],
  });
  const range = field("Or an address range of staff", {
    maxlength: 50,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: "10.20.0.0/16",
    hint: "Where the session was begun. Patients’ are not among them: from a shell, flask sessions revoke --address.",
  });
  const next = async () => {
    const typed = range.input.value.trim();
    const chosen = choices[Number(choice.input.value)];
    range.fault("");
    choice.fault("");
    if (chosen && choice.input.value && !typed) {
      dialog.close();
      return confirmRevocation(board, chosen[1], chosen[2]);
    }
    if (!typed || choice.input.value) {
      choice.fault("Choose what to revoke, or write a range: one of the two.");
      return choice.input.focus();
    }
    const selection = { address_range: typed };
    const wrong = await board.api.send("POST", PATH, { ...selection, dry_run: true }).then(
      () => "",
      (/** @type {any} */ error) => error?.problem?.errors?.address_range?.[0], // other faults the next step shows
    );
    range.fault(wrong ?? "");
    if (wrong) return range.input.focus();
    dialog.close();
    return confirmRevocation(board, selection, `staff from ${typed}`);
  };
  const everyone = () => {
    dialog.close();
    confirmRevocation(board, { everyone: true }, "everyone");
  };
  const dialog = openDialog({
    title: "Revoke sessions",
    body: [
      h("p", {}, "Nothing ends yet: the next step says how many sessions it would be."),
      choice.element,
      range.element,
      h("p", { class: "soft" }, "For one person or one device: find them under ", h("a", { href: "#sessions", on: { click: () => dialog.close() } }, "Sessions"), "."),
      h("div", { class: "notice notice-bad" }, h("p", {}, h("strong", {}, "Everyone: "), "the whole hospital is logged out, you too."), h("button", { class: "button button-danger", type: "button", on: { click: everyone } }, "Everyone …")),
    ],
    onSubmit: next,
    actions: [
      h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel"),
      h("button", { class: "button button-primary", type: "submit" }, "Next"),
    ],
  });
}

/**
 * Say what would end, and end it when told so. True where something has been ended.
 * @param {Console} board
 * @param {Selection} selection
 * @param {string} words  what is selected: `everybody of Ward 7`
 * @returns {Promise<boolean>}
 */
export async function confirmRevocation(board, selection, words) {
  const body = h("div", { class: "stack" }, h("p", { role: "status" }, "Counting …"));
  const foot = h("div", { class: "row" });
  let ended = false;
  let working = false;
  const dialog = openDialog({
    title: `Revoke ${words}`,
    body,
    onSubmit: () => {},
    actions: foot,
    mayClose: () => !working,
    className: "ops-revoke",
  });
  const close = h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel");
  fill(foot, close);
  const look = async (/** @type {string} */ reason = "") => {
    try {
      const found = await board.api.send("POST", PATH, { ...selection, dry_run: true });
      fill(body, counts(found, words), found.selected ? form(found, reason) : null);
      if (!found.selected) {
        close.textContent = "Close";
        fill(foot, close);
      }
    } catch (error) {
      fill(body, fault(explain(error)));
    }
  };
  const form = (/** @type {any} */ found, /** @type {string} */ before) => {
    const sure = selection.everyone ? "everyone" : String(found.selected);
    const reason = field("Why", { value: before, maxlength: 200, autocomplete: "off", hint: "Kept in the audit trail. No names of patients.", required: true });
    const typed = field(`Type “${sure}” to confirm`, { autocomplete: "off", autocapitalize: "none", spellcheck: "false", inputmode: selection.everyone ? "text" : "numeric", required: true });
    const password = field("Your password", { kind: "password", autocomplete: "current-password", maxlength: 1024, hint: "Asked because you logged in more than five minutes ago." });
    password.element.hidden = true;
    const place = h("div", { role: "alert" });
    const button = h("button", { class: "button button-danger", type: "submit" }, `End ${counted(found.selected, "session")}`);
    const submit = async () => {
      const why = reason.input.value.trim();
      const right = typed.input.value.replace(/[\s,.]/g, "").toLowerCase() === sure;
      reason.fault(why.length < 3 ? "Say why, in a few words." : "");
      typed.fault(right ? "" : `Type “${sure}”, as it stands above.`);
      if (why.length < 3) return reason.input.focus();
      if (!right) return typed.input.focus();
      fill(place);
      working = true;
      try {
        await work({ ...selection, dry_run: false, reason: why, at_most: spare(found.selected), ...(password.input.value ? { password: password.input.value } : {}) }, found);
      } catch (error) {
        working = false;
        await refused(/** @type {any} */ (error), why);
      }
      return undefined;
    };
    const refused = async (/** @type {any} */ error, /** @type {string} */ why) => {
      const code = error?.problem?.code;
      password.input.value = "";
      if (code === "insufficient_user_authentication" || code === "invalid_credentials") {
        password.element.hidden = false;
        password.fault(code === "invalid_credentials" ? "That is not your password. Nothing was ended." : "");
        return password.input.focus();
      }
      if (code === "selection_grew") {
        await look(why);
        return body.prepend(fault(`Nothing was ended: there are more sessions now, ${error.problem.selected}. Look again.`));
      }
      return fill(place, fault(`${explain(error)} What has been ended so far stays ended; the same again goes on.`));
    };
    /** @type {HTMLFormElement} */ (dialog.element.querySelector("form")).onsubmit = () => { busy(button, submit); };
    fill(foot, close, button);
    queueMicrotask(() => reason.input.focus());
    return [reason.element, typed.element, password.element, place];
  };
  /** Send the order again until nothing remains. */
  const work = async (/** @type {any} */ order, /** @type {any} */ found) => {
    const bar = h("progress", { max: found.selected, value: 0, "aria-label": "Sessions ended" });
    const words = h("p", { role: "status", class: "strong" }, "Ending …");
    let all = 0;
    let pending = false;
    for (;;) {
      const answer = await board.api.send("POST", PATH, order);
      delete order.password; // it was given for this order; each answer takes seconds at most
      all += answer.ended;
      pending ||= Boolean(answer.pending);
      ended = true;
      if (answer.done) break;
      bar.value = all;
      words.textContent = `Ended ${all.toLocaleString("en-GB")}, ${counted(answer.remaining, "session")} to go. Leave this open.`;
      if (!bar.isConnected) fill(body, words, bar);
    }
    working = false;
    close.textContent = "Close";
    fill(foot, close);
    fill(body, done(all, pending, found.includes_own));
    close.focus();
    if (!found.includes_own) return board.refresh();
    board.sleep(); // the next question would be refused, and take this answer off the screen
    return dialog.closed.then(() => board.wake());
  };
  await look();
  await dialog.closed;
  return ended;
}

/**
 * @param {any} found
 * @param {string} words
 */
function counts(found, words) {
  if (!found.selected) return h("div", { class: "notice notice-info" }, h("p", {}, `Nobody is logged in: there is no active session of ${words}. Nothing was done.`));
  const types = found.by_user_type.map((/** @type {any} */ each) => `${USER_TYPES[each.user_type]} ${each.sessions.toLocaleString("en-GB")}`);
  return [
    h(
      "div",
      { class: "ops-impact" },
      h("p", { class: "ops-impact-count" }, counted(found.selected, "session")),
      h("p", {}, `of ${counted(found.users, "person", "people")} (${types.join(", ")}). Nothing has ended yet.`),
    ),
    h(
      "ul",
      { class: "ops-effects" },
      h("li", {}, "Their next click is refused, within a second, on every device."),
      h("li", {}, "They can log in again at once. To keep somebody out, disable the account: ", h("code", {}, "flask --app wsgi users disable E-MAIL")),
      h("li", {}, "This cannot be undone."),
      found.includes_own && h("li", { class: "strong ops-own" }, "Your own session is among them. It ends last; log in again then."),
    ),
  ];
}

/**
 * @param {number} all
 * @param {boolean} pending
 * @param {boolean} own
 */
function done(all, pending, own) {
  return h(
    "div",
    { class: "notice notice-good ops-done", role: "status" },
    h("p", {}, h("strong", {}, all ? `Ended ${counted(all, "session")}.` : "Nothing was left to end: somebody was faster.")),
    pending && h("p", {}, "Redis has not taken all of it yet. It holds all the same: the workers ask the database."),
    own && h("p", {}, "Your own session has ended, too: close this, and log in again."),
  );
}

/** @param {string} words */
const fault = (words) => h("div", { class: "notice notice-bad" }, h("p", {}, words));
