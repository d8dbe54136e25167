// Vital signs: how a ward names, orders and marks them.
//
// The marks are the bands of NEWS2 (Royal College of Physicians, 2017) for one parameter each, for
// adults. No total is made of them: consciousness and oxygen, which belong to it, are not recorded.

/** @typedef {{code: string, value: number, unit: string, effective_at: string, previous: number | null}} Sign */
/** @typedef {{code: string, short: string, name: string, unit: string, decimals: number,
 *   least: number, most: number, axis?: [number, number], usual?: [number, number],
 *   scores?: [number, number][]}} Kind */

export const PULSE = "8867-4";
export const BREATHING = "9279-1";
export const TEMPERATURE = "8310-5";
export const SYSTOLIC = "8480-6";
export const DIASTOLIC = "8462-4";
export const OXYGEN = "59408-5";

/** @type {Kind[]} */
export const KINDS = [
  {
    code: BREATHING,
    short: "Resp",
    name: "Respiratory rate",
    unit: "/min",
    decimals: 0,
    least: 1,
    most: 120,
    axis: [8, 24],
    usual: [12, 20],
    scores: [
      [8, 3],
      [11, 1],
      [20, 0],
      [24, 2],
      [Infinity, 3],
    ],
  },
  {
    code: OXYGEN,
    short: "SpO₂",
    name: "Oxygen saturation",
    unit: "%",
    decimals: 0,
    least: 20,
    most: 100,
    axis: [90, 100],
    usual: [96, 100],
    scores: [
      [91, 3],
      [93, 2],
      [95, 1],
      [Infinity, 0],
    ],
  },
  {
    code: PULSE,
    short: "Pulse",
    name: "Heart rate",
    unit: "/min",
    decimals: 0,
    least: 10,
    most: 350,
    axis: [40, 120],
    usual: [51, 90],
    scores: [
      [40, 3],
      [50, 1],
      [90, 0],
      [110, 1],
      [130, 2],
      [Infinity, 3],
    ],
  },
  {
    code: SYSTOLIC,
    short: "BP",
    name: "Systolic blood pressure",
    unit: "mmHg",
    decimals: 0,
    least: 30,
    most: 350,
    axis: [60, 160],
    scores: [
      [90, 3],
      [100, 2],
      [110, 1],
      [219, 0],
      [Infinity, 3],
    ],
  },
  {
    code: DIASTOLIC,
    short: "BP dia",
    name: "Diastolic blood pressure",
    unit: "mmHg",
    decimals: 0,
    least: 10,
    most: 250,
  },
  {
    code: TEMPERATURE,
    short: "Temp",
    name: "Body temperature",
    unit: "°C",
    decimals: 1,
    least: 20,
    most: 46,
    axis: [35.5, 39],
    usual: [36.1, 38],
    scores: [
      [35, 3],
      [36, 1],
      [38, 0],
      [39, 1],
      [Infinity, 2],
    ],
  },
  {
    code: "2339-0",
    short: "Glucose",
    name: "Glucose in blood",
    unit: "mg/dL",
    decimals: 0,
    least: 5,
    most: 2000,
  },
  {
    code: "72514-3",
    short: "Pain",
    name: "Pain, 0 to 10",
    unit: "",
    decimals: 0,
    least: 0,
    most: 10,
  },
  {
    code: "29463-7",
    short: "Weight",
    name: "Body weight",
    unit: "kg",
    decimals: 1,
    least: 0.2,
    most: 650,
  },
  {
    code: "8302-2",
    short: "Height",
    name: "Body height",
    unit: "cm",
    decimals: 0,
    least: 15,
    most: 280,
  },
];

const BY_CODE = new Map(KINDS.map((kind) => [kind.code, kind]));

/**
 * Return what is known of a vital sign.
 * @param {string} code
 * @returns {Kind}
 */
export function kindOf(code) {
  const kind = BY_CODE.get(code);
  if (!kind) throw new Error(`No vital sign has the code ${code}`);
  return kind;
}

/**
 * Return a value as a ward writes it.
 * @param {string} code
 * @param {number} value
 */
export const written = (code, value) => value.toFixed(kindOf(code).decimals);

/**
 * Return how far a value is out of what is usual: 0 (usual) to 3, and on which side.
 * @param {string} code
 * @param {number} value
 */
export function mark(code, value) {
  const bands = BY_CODE.get(code)?.scores ?? [];
  const place = bands.findIndex(([most]) => value <= most);
  const score = bands[place]?.[1] ?? 0;
  const usual = bands.findIndex(([, points]) => points === 0);
  return { score, high: place > usual };
}

/**
 * Return the worst mark of some signs.
 * @param {Sign[]} signs
 */
export const worst = (signs) =>
  Math.max(0, ...signs.map((sign) => mark(sign.code, sign.value).score));
