// Emergency access: find a record by its MRN, break the glass, give the access back.

import { ask, field, h, toast } from "../ui.js";
import { formDialog } from "./forms.js";
import { EMERGENCIES } from "./words.js";

/** @typedef {import("./desk.js").Desk} Desk */

/**
 * Open a record by its MRN: at once where it is one's patient's, else by the emergency dialogue.
 * @param {Desk} desk
 * @param {string} [typed]
 */
export async function findPatient(desk, typed = "") {
  const mrn = field("MRN", {
    value: typed.toUpperCase(),
    maxlength: 20,
    autocomplete: "off",
    autocapitalize: "characters",
    spellcheck: "false",
    hint: "The whole number, as on the wristband.",
  });
  const found = await formDialog(desk, {
    title: "Find a record",
    fields: { mrn },
    body: [mrn.element],
    yes: "Find",
    check: (values) => (values.mrn?.trim() ? null : { mrn: "Type the MRN." }),
    send: (values) =>
      desk.api.send("POST", "/api/patients/find/", { mrn: values.mrn?.trim().toUpperCase() }),
    explain: (error) => {
      if (error?.status === 404) return { mrn: "No record with this MRN is there for you." };
      return error?.status === 422 ? { mrn: "That is no MRN." } : null;
    },
  });
  if (!found) return;
  if (found.break_glass) desk.whenAwake(() => showGlass(desk, found.patient_id));
  else desk.go({ name: "chart", patientId: found.patient_id });
}

/**
 * @param {Desk} desk
 * @param {number} patientId
 */
export async function showGlass(desk, patientId) {
  const code = field("Reason", { kind: "select", options: [["", "Choose …"], ...EMERGENCIES] });
  const words = field("In your own words", {
    kind: "textarea",
    rows: 3,
    maxlength: 500,
    hint: "At least two words. Reviewers read it: no findings, no names.",
  });
  const password = field("Your password", {
    kind: "password",
    autocomplete: "current-password",
    maxlength: 1024,
  });
  const grant = await formDialog(desk, {
    title: "Break the glass",
    className: "glass",
    danger: true,
    fields: { reason_code: code, reason_text: words, password },
    body: [
      h(
        "div",
        { class: "notice notice-bad" },
        h(
          "p",
          {},
          h("strong", {}, "Emergency access to one record. "),
          "An alert is raised now, everything you open is logged, and somebody else reviews it.",
        ),
      ),
      code.element,
      words.element,
      password.element,
    ],
    yes: "Open the record",
    check: (values) => ({
      ...(values.reason_code ? {} : { reason_code: "Choose a reason." }),
      ...(/\S+\s+\S+/.test(values.reason_text ?? "") &&
      (values.reason_text ?? "").trim().length >= 10
        ? {}
        : { reason_text: "Say it in at least two words, ten letters or more." }),
      ...(values.password ? {} : { password: "Type your password." }),
    }),
    send: (values) =>
      desk.api.send("POST", "/api/break-glass/", {
        patient_id: patientId,
        reason_code: values.reason_code,
        reason_text: values.reason_text?.trim().replace(/\s+/g, " "),
        password: values.password,
      }),
    explain: (error) => {
      const problem = error?.problem?.code;
      if (problem === "invalid_credentials") return { password: "That is not your password." };
      if (problem === "throttled") return "Too many attempts. Try again in a minute.";
      return problem === "forbidden"
        ? "Your account opens no records in an emergency at this moment."
        : null;
    },
  });
  if (grant) desk.go({ name: "chart", patientId });
}

/**
 * @param {Desk} desk
 * @param {number} grantId
 */
export async function giveBack(desk, grantId) {
  const sure = await ask({
    title: "Give the access back?",
    text: "The record closes to you at once.",
    yes: "Give back",
  });
  if (!sure) return;
  await desk.attempt(async () => {
    await desk.api.send("DELETE", `/api/break-glass/${grantId}/`);
    toast("The record is closed again.");
    desk.go({ name: "board" });
  });
}
