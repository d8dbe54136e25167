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

/** What became of an appointment, and how its badge looks. @type {Record<string, [string, string]>} */
export const VISITS = {
  booked: ["Booked", "badge-info"],
  fulfilled: ["Took place", "badge-good"],
  noshow: ["Did not come", "badge-warn"],
  cancelled: ["Cancelled", ""],
};

/** Why what was said of an appointment is not so. @type {[string, string][]} */
export const MISTAKES = [
  ["came_late", "The patient came after all"],
  ["did_not_come", "The patient did not come"],
  ["wrong_appointment", "Another appointment was meant"],
];

/** On what ground somebody else has opened a record. @type {Record<string, string>} */
export const BASES_OF_OTHERS = {
  self: "own record",
  unit: "on shift in the unit",
  handoff: "handoff time of the shift",
  care_team: "in the care team",
  appointment: "by an appointment",
  break_glass: "emergency access",
};

/** What was done with a record. @type {Record<string, string>} */
export const ACCESSES = {
  "board:read": "Was on the ward's board",
  "chart:read": "Opened the chart",
  "patients:listed": "Was in a list of patients",
  "patient:found": "Found the record by its MRN",
  "patient:read": "Read the personal data",
  "patient:created": "Opened the record",
  "patient:changed": "Changed personal data or place",
  "patient:admitted": "Admitted",
  "patient:discharged": "Discharged",
  "patient:linked": "Linked the record with an account",
  "patient:unlinked": "Unlinked the record from an account",
  "access_log:read": "Read this log",
  "care_team:listed": "Read the care team",
  "care_team:joined": "Took somebody into the care team",
  "care_team:left": "Ended somebody's place in the care team",
  "break_glass:opened": "Opened the record in an emergency",
  "break_glass:ended": "Emergency access ended",
  "break_glass:listed": "Listed own emergency accesses",
  "break_glass:reviewed": "Reviewed an emergency access",
  "break_glass:reviews_listed": "Listed emergency accesses for review",
  "appointments:listed": "Was in a list of appointments",
  "appointment:read": "Read an appointment",
  "appointment:booked": "Booked an appointment",
  "appointment:moved": "Changed an appointment",
  "appointment:cancelled": "Cancelled an appointment",
  "appointment:fulfilled": "Noted that an appointment took place",
  "appointment:missed": "Noted that an appointment was missed",
  "appointment:reopened": "Undid what was noted of an appointment",
  "observations:listed": "Read vital signs",
  "observation:read": "Read a vital sign",
  "observations:recorded": "Recorded vital signs",
  "observation:entered_in_error": "Marked a vital sign as wrong",
  "handoffs:listed": "Read handoffs",
  "handoff:read": "Read a handoff",
  "handoff:given": "Handed over",
  "handoff:accepted": "Accepted a handoff",
  "handoff:withdrawn": "Took a handoff back",
  "owner:read": "Read which nurse answers",
  "owner:taken": "Took over as the nurse who answers",
  "notes:listed": "Read notes",
  "note:read": "Read a note",
  "note:signed": "Wrote a note",
  "note:amended": "Amended a note",
};
