// The plant that the mock server shows: its state in each scenario. Numbers are made up; their
// shapes are those of the gateway's API.

import { devicesOf } from "./mock-records.mjs";

export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;
export const OFFSET_MIN = 120;
/** Tue 15 Sep 2026, 14:32:07 local time. */
export const START_MS = Date.UTC(2026, 8, 15, 12, 32, 7);

export const SCENARIOS = [
  "normal",
  "abnormal",
  "shadow",
  "latched",
  "manual",
  "small",
  "units",
  "unknown",
  "fresh",
  "script",
];

const hourOf = (ms) => ((ms + OFFSET_MIN * MINUTE) % DAY) / HOUR;
const bump = (hour, middle, width) => Math.exp(-(((hour - middle) / width) ** 2));
/** Repeatable noise in [-1, 1]. */
const noise = (ms, seed) => {
  const x = Math.sin(Math.floor(ms / MINUTE) * 12.9898 + seed * 78.233) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
};

/** Values of the plant at a time; used by the state and by the history. */
export function truth(ms) {
  const hour = hourOf(ms);
  const season = 0.7 + 0.3 * Math.cos((2 * Math.PI * (ms / DAY - 172)) / 365);
  const price = 0.098 + 0.12 * bump(hour, 8, 1.6) + 0.244 * bump(hour, 18.3, 1.8) + 0.06 * bump(hour, 21, 2);
  const pv = Math.max(0, 40 * season * bump(hour, 13, 3.2) + noise(ms, 1) * 1.2) * (hour > 6 && hour < 20 ? 1 : 0);
  const wind = Math.max(0, 12 + 6 * Math.sin(ms / (5 * HOUR)) + noise(ms, 2));
  const load = 38 + 26 * bump(hour, 12, 5) + 8 * bump(hour, 19, 2) + noise(ms, 3) * 1.5;
  const chp = [20, 30, 40][Math.floor((hour / 24) * 6) % 3];
  const soc = 0.5 + 0.28 * Math.sin((2 * Math.PI * (hour - 9)) / 12) + 0.004 * noise(ms, 4);
  const battery = 18 * Math.cos((2 * Math.PI * (hour - 9)) / 12);
  return {
    import_price_eur_per_kwh: price,
    export_price_eur_per_kwh: price * 0.8,
    pv_kw: pv,
    wind_kw: wind,
    electric_load_kw: load,
    chp_kw: chp,
    chp_heat_kw: chp * 1.2,
    soc: Math.min(0.9, Math.max(0.1, soc)),
    battery_kw: battery,
    heat_load_kw: 58 + noise(ms, 5),
    boiler_heat_kw: 58 - chp * 1.2,
    grid_kw: load + battery - pv - wind - chp,
    grid_voltage_pu: 1.003 + 0.004 * noise(ms, 6),
    frequency_hz: 50 + 0.02 * noise(ms, 7),
    cost_eur_per_h: 3.1 + noise(ms, 8),
    "setpoint.battery_kw": battery,
    "setpoint.chp_kw": chp,
  };
}

const NOW = {
  pv_kw: [31.2, 0.4],
  wind_kw: [12.6, 0.9],
  chp_kw: [30.0, 0.6],
  chp_heat_kw: [36.0, 0.6],
  boiler_heat_kw: [22.0, 1.2],
  grid_kw: [3.4, 0.4],
  battery_kw: [12.4, 0.3],
  electric_load_kw: [64.8, 0.4],
  heat_load_kw: [58.0, 1.2],
  soc: [0.638, 0.3],
  grid_voltage_pu: [1.003, 0.4],
  frequency_hz: [50.01, 0.4],
  chp_on: [1, 0.6],
  battery_remote: [1, 0.3],
  chp_remote: [1, 0.6],
  import_price_eur_per_kwh: [0.098, 20],
  export_price_eur_per_kwh: [0.078, 20],
};

const unitOf = (tag) =>
  /_kw$/.test(tag)
    ? "kW"
    : /_pu$/.test(tag)
      ? "pu"
      : /_hz$/.test(tag)
        ? "Hz"
        : /eur_per_kwh$/.test(tag)
          ? "EUR/kWh"
          : "";

export function points(scenario) {
  const made = Object.fromEntries(
    Object.entries(NOW).map(([tag, [value, age_s]]) => [
      tag,
      { value, unit: unitOf(tag), quality: "good", age_s, state: "fresh" },
    ]),
  );
  const set = (tag, more) => Object.assign(made[tag], more);
  if (scenario === "abnormal") {
    for (const tag of ["chp_kw", "chp_heat_kw", "chp_on", "chp_remote"])
      set(tag, { age_s: 47, state: "stale", quality: "uncertain" });
    set("wind_kw", { age_s: 6.1, state: "ageing", value: 13.1 });
    set("grid_kw", { value: 10.6 });
    set("battery_kw", { value: 18.0 });
    set("boiler_heat_kw", { value: null, state: "bad", quality: "bad" });
    set("soc", { value: 0.671 });
  }
  if (scenario === "shadow") {
    set("battery_kw", { value: 0 });
    set("grid_kw", { value: -9.0 });
  }
  if (scenario === "units") addUnits(made);
  if (scenario === "small") for (const tag of Object.keys(made)) if (/chp|wind|heat/.test(tag)) delete made[tag];
  if (scenario === "small") set("grid_kw", { value: 46.0 });
  if (scenario === "unknown")
    for (const point of Object.values(made))
      Object.assign(point, { value: null, age_s: null, state: "bad", quality: "never" });
  return made;
}

function addUnits(made) {
  const add = (tag, value) => {
    made[tag] = { value, unit: unitOf(tag), quality: "good", age_s: 0.5, state: "fresh" };
  };
  add("battery_2_kw", -8.2);
  add("soc_2", 0.412);
  add("chp_2_kw", 0);
  add("chp_2_heat_kw", 0);
  made.soc_2.age_s = 7;
  made.soc_2.state = "ageing";
}

const PLANTS = {
  normal: {
    import_kw_max: 100,
    export_kw_max: 80,
    soc_min: 0.1,
    soc_max: 0.9,
    battery_kw_max: 50,
    battery_kwh: 100,
    chp_kw_min: 10,
    chp_kw_max: 80,
    pv: true,
    wind: true,
    heat: true,
    batteries: 1,
    chps: 1,
    pv_kw_max: 60,
    wind_kw_max: 40,
    electric_load_kw_max: 100,
    heat_load_kw_max: 150,
    boiler_kw_max: 150,
  },
  small: {
    import_kw_max: 120,
    export_kw_max: 0,
    soc_min: 0.05,
    soc_max: 0.95,
    battery_kw_max: 90,
    battery_kwh: 200,
    chp_kw_min: null,
    chp_kw_max: null,
    pv: true,
    wind: false,
    heat: false,
    batteries: 1,
    chps: 0,
    pv_kw_max: 60,
    electric_load_kw_max: 100,
  },
};
PLANTS.units = { ...PLANTS.normal, batteries: 2, chps: 2 };

const MODES = {
  normal: [
    "auto",
    6 * HOUR + 10 * MINUTE - 14 * HOUR - 32 * MINUTE,
    true,
    "Charges to 84 % while power is cheap, for the price peak at 18:00.",
    "16:00 holds 84 %; 17:30 discharges; 19:30 holds 40 % for the morning.",
  ],
  abnormal: [
    "hold",
    -32_000,
    true,
    "Keeps the last request, because the CHP has not answered for 47 s.",
    "Back to Auto after 3 good cycles; otherwise Safe stop in 28 s.",
  ],
  shadow: [
    "shadow",
    -12 * MINUTE,
    false,
    "Would charge to 84 %, for the price peak at 18:00. Writes nothing until armed.",
    "All 31 required points good for 12 min.",
  ],
  latched: [
    "safe_stop",
    -4 * MINUTE,
    true,
    "Stopped safely, because the battery reported a fault.",
    "Stays stopped until the cause is gone and an operator acknowledges.",
  ],
  manual: ["manual", -3 * MINUTE, true, "Follows the powers that anna has set.", null],
  unknown: [
    "init",
    -3000,
    false,
    "Waits for the first measurement of every required point.",
    "Shadow, when all have come.",
  ],
};

/** A plan of 24 hours in quarters from the last policy step on. */
function plan(nowMs) {
  const from = Math.floor(nowMs / (15 * MINUTE)) * 15 * MINUTE;
  const times = Array.from({ length: 96 }, (_, index) => from + index * 15 * MINUTE);
  const soc = times.map((ms) => socPlan((ms - START_MS) / HOUR));
  const battery_kw = soc.map((share, index) => Math.max(-30, Math.min(18, ((soc[index + 1] ?? share) - share) * 400)));
  return {
    made_unix_ms: from,
    step_s: 900,
    from_unix_ms: from,
    soc,
    battery_kw,
    chp_kw: times.map((ms) => truth(ms).chp_kw),
    import_price: times.map((ms) => truth(ms).import_price_eur_per_kwh),
    export_price: times.map((ms) => truth(ms).export_price_eur_per_kwh),
    reason: "charges to 84 %, discharges from 17:30, holds 40 %",
  };
}

function socPlan(hours) {
  const corners = [
    [-1, 0.55],
    [0, 0.638],
    [1.5, 0.84],
    [3, 0.84],
    [5, 0.4],
    [16, 0.4],
    [17.5, 0.2],
    [20, 0.2],
    [22, 0.3],
    [30, 0.3],
  ];
  const index = corners.findIndex(([at]) => at > hours);
  if (index <= 0) return corners.at(index === 0 ? 0 : -1)[1];
  const [[x0, y0], [x1, y1]] = [corners[index - 1], corners[index]];
  return y0 + ((y1 - y0) * (hours - x0)) / (x1 - x0);
}

const MONEY = {
  normal: { today_eur: 58.4, rule_today_eur: 60.6, idle_today_eur: 76.1, error_eur: 0.4, valid: true, why: null },
  units: {
    today_eur: 58.4,
    rule_today_eur: null,
    idle_today_eur: null,
    error_eur: null,
    valid: false,
    why: "The plant model does not know two batteries.",
  },
  unknown: {
    today_eur: null,
    rule_today_eur: null,
    idle_today_eur: null,
    error_eur: null,
    valid: false,
    why: "No hour of today is recorded yet.",
  },
};

/** The whole State of a scenario at a time of the plant. */
export function stateOf(scenario, nowMs, cycle, extra) {
  const [mode, since, armed, why, next] = MODES[scenario] ?? MODES.normal;
  const plant = PLANTS[scenario] ?? PLANTS.normal;
  const known = scenario !== "unknown";
  return {
    site: scenario === "script" ? "<img src=x onerror=window.pwned=1>" : "Harbour plant",
    simulated: scenario === "fresh" || scenario === "shadow",
    version: "0.4.0",
    time: {
      unix_ms: nowMs,
      local: new Date(nowMs + OFFSET_MIN * MINUTE).toISOString().slice(0, 19),
      utc_offset_min: OFFSET_MIN,
      speed: scenario === "fresh" ? 60 : 1,
    },
    cycle,
    mode: {
      now: mode,
      since_unix_ms: START_MS + since,
      armed,
      latched: scenario === "latched",
      why,
      next,
      decided_by: known ? "model td3-extended" : null,
      fault: scenario === "latched" ? { severity: "high", cause: "The battery reported fault 17." } : null,
    },
    points: points(scenario),
    setpoints: known
      ? {
          battery_kw: scenario === "abnormal" ? 18.0 : 12.4,
          chp_on: true,
          chp_kw: 30.0,
          pv_limit_kw: null,
          wind_limit_kw: null,
          sent: mode !== "shadow",
          units: scenario === "units" ? { battery_2_kw: -8.0, chp_2_kw: 0 } : {},
        }
      : null,
    plant,
    limits: extra.limits,
    plan: known ? plan(nowMs) : null,
    prices: { import_now: known ? 0.098 : null, export_now: known ? 0.078 : null, ahead: null },
    money: MONEY[scenario] ?? MONEY.normal,
    alarms: counts(extra.alarms),
    devices: devicesOf(scenario).map(({ name, state }) => ({ name, state })),
    broker: true,
    control: extra.control,
    in_charge: extra.in_charge ?? null,
    health: { slips: 0, lateness_p99_ms: 0.8, journal: "ok", history: "ok" },
    history: { points: 61 },
  };
}

function counts(alarms) {
  const active = alarms.filter((one) => one.state === "unacknowledged" || one.state === "acknowledged");
  const number = (priority) => active.filter((one) => one.priority === priority).length;
  const open = alarms.filter((one) => one.state === "unacknowledged" || one.state === "returned");
  return {
    high: number("high"),
    medium: number("medium"),
    low: number("low"),
    unacknowledged: open.length,
    top: open[0] ?? null,
    last: { text: "price feed late, back 09:20, acknowledged by anna.", unix_ms: START_MS - 5.33 * HOUR },
  };
}
