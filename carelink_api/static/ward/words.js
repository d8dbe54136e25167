// What the pages of the ward say about sessions.

/** Why a session ended, in a list. @type {Record<string, string>} */
export const ENDED = {
  logged_out: "Logged out",
  revoked: "Ended by the hospital",
  password_changed: "The password was changed",
  session_cap: "Logged in on too many devices",
  reused: "Ended for safety: an old key was used again",
  session_expired: "Longest time reached",
  idle: "Not used for a while",
  shift_ended: "The shift ended",
  user_disabled: "The account was disabled",
};

/** Why somebody stands before the login, in a sentence. @type {Record<string, string>} */
export const WHY = {
  logged_out: "You have logged out. Nothing of your work is left on this workstation.",
  revoked: "Your session was ended by the hospital or from another device. Log in again to go on.",
  reused:
    "Your session was ended for safety, because an old key of it was used again. Log in again.",
  session_expired: "Your session has reached its longest time. Log in again to go on.",
  idle: "Your session ended because it was not used. Log in again to go on.",
  shift_ended: "Your shift and its handoff time are over, so your session has ended.",
  user_disabled: "Your account has been disabled. Ask your administrator.",
  expired: "Your session could not be renewed in time. Log in again to go on.",
  other_user: "Somebody else has logged in at this workstation, so your session here has ended.",
};

/** Why the screen is locked. @type {Record<string, string>} */
export const LOCKED = {
  idle: "Locked because nobody was using it.",
  session_expired: "The session has reached its longest time. Your password starts the next one.",
};

/** Reason codes of an emergency. @type {[string, string][]} */
export const EMERGENCIES = [
  ["life_threatening", "Danger to life or limb"],
  ["covering", "In for a colleague"],
  ["consultation", "Asked for advice"],
  ["transfer", "The patient is on the way to us"],
  ["other", "Something else"],
];

/** @type {Record<string, string>} */
export const CATEGORIES = {
  nursing: "Nursing",
  progress: "Progress",
  admission: "Admission",
  discharge: "Discharge",
  consultation: "Consultation",
};

/** @type {Record<string, string>} */
export const BASES = {
  self: "your own record",
  unit: "you are on shift here",
  handoff: "handoff time of your shift",
  care_team: "you are in the care team",
  appointment: "you have an appointment with the patient",
  break_glass: "emergency access",
};

/** @type {Record<string, string>} */
export const ROLES = { attending: "Attending", consulting: "Consulting", nurse: "Nurse" };
