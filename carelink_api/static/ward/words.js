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
