// Small helpers that the pages share.

export * from "./ui/dialogs.js";
export * from "./ui/dom.js";
export * from "./ui/fields.js";
export * from "./ui/words.js";

/** @typedef {import("./ui/dom.js").Child} Child */
/** @typedef {import("./ui/fields.js").Field} Field */
