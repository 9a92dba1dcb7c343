// The plant that the mock server shows: states, alarms, devices, decisions of each scenario. Numbers are made up; their
// shapes are those of the gateway's API.

const MINUTE = 60_000;
const HOUR = 3_600_000;
export const DAY = 86_400_000;
export const OFFSET_MIN = 120;
/** Tue 15 Sep 2026, 14:32:07 local time. */
export const START_MS = Date.UTC(2026, 8, 15, 12, 32, 7);

export const SCENARIOS = ["normal", "abnormal", "shadow", "latched", "manual", "small", "units", "unknown", "fresh", "script"];

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
  return { import_price_eur_per_kwh: price, export_price_eur_per_kwh: price * 0.8, pv_kw: pv, wind_kw: wind, electric_load_kw: load,
    chp_kw: chp, chp_heat_kw: chp * 1.2, soc: Math.min(0.9, Math.max(0.1, soc)), battery_kw: battery, heat_load_kw: 58 + noise(ms, 5),
    boiler_heat_kw: 58 - chp * 1.2, grid_kw: load + battery - pv - wind - chp, grid_voltage_pu: 1.003 + 0.004 * noise(ms, 6),
    frequency_hz: 50 + 0.02 * noise(ms, 7), cost_eur_per_h: 3.1 + noise(ms, 8), "setpoint.battery_kw": battery, "setpoint.chp_kw": chp };
}

const NOW = {
  pv_kw: [31.2, 0.4], wind_kw: [12.6, 0.9], chp_kw: [30.0, 0.6], chp_heat_kw: [36.0, 0.6], boiler_heat_kw: [22.0, 1.2], grid_kw: [3.4, 0.4],
  battery_kw: [12.4, 0.3], electric_load_kw: [64.8, 0.4], heat_load_kw: [58.0, 1.2], soc: [0.638, 0.3], grid_voltage_pu: [1.003, 0.4],
  frequency_hz: [50.01, 0.4], chp_on: [1, 0.6], battery_remote: [1, 0.3], chp_remote: [1, 0.6],
  import_price_eur_per_kwh: [0.098, 20], export_price_eur_per_kwh: [0.078, 20],
};

const unitOf = (tag) => (/_kw$/.test(tag) ? "kW" : /_pu$/.test(tag) ? "pu" : /_hz$/.test(tag) ? "Hz" : /eur_per_kwh$/.test(tag) ? "EUR/kWh" : "");

function points(scenario) {
  const made = Object.fromEntries(Object.entries(NOW).map(([tag, [value, age_s]]) => [tag, { value, unit: unitOf(tag), quality: "good", age_s, state: "fresh" }]));
  const set = (tag, more) => Object.assign(made[tag], more);
  if (scenario === "abnormal") {
    for (const tag of ["chp_kw", "chp_heat_kw", "chp_on", "chp_remote"]) set(tag, { age_s: 47, state: "stale", quality: "uncertain" });
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
  if (scenario === "unknown") for (const point of Object.values(made)) Object.assign(point, { value: null, age_s: null, state: "bad", quality: "never" });
  return made;
}

function addUnits(made) {
  const add = (tag, value) => { made[tag] = { value, unit: unitOf(tag), quality: "good", age_s: 0.5, state: "fresh" }; };
  add("battery_2_kw", -8.2);
  add("soc_2", 0.412);
  add("chp_2_kw", 0);
  add("chp_2_heat_kw", 0);
  made.soc_2.age_s = 7;
  made.soc_2.state = "ageing";
}

const PLANTS = {
  normal: { import_kw_max: 100, export_kw_max: 80, soc_min: 0.1, soc_max: 0.9, battery_kw_max: 50, battery_kwh: 100, chp_kw_min: 10, chp_kw_max: 80,
    pv: true, wind: true, heat: true, batteries: 1, chps: 1, pv_kw_max: 60, wind_kw_max: 40, electric_load_kw_max: 100, heat_load_kw_max: 150, boiler_kw_max: 150 },
  small: { import_kw_max: 120, export_kw_max: 0, soc_min: 0.05, soc_max: 0.95, battery_kw_max: 90, battery_kwh: 200, chp_kw_min: null, chp_kw_max: null,
    pv: true, wind: false, heat: false, batteries: 1, chps: 0, pv_kw_max: 60, electric_load_kw_max: 100 },
};
PLANTS.units = { ...PLANTS.normal, batteries: 2, chps: 2 };

const MODES = {
  normal: ["auto", 6 * HOUR + 10 * MINUTE - 14 * HOUR - 32 * MINUTE, true, "Charges to 84 % while power is cheap, for the price peak at 18:00.", "16:00 holds 84 %; 17:30 discharges; 19:30 holds 40 % for the morning."],
  abnormal: ["hold", -32_000, true, "Keeps the last request, because the CHP has not answered for 47 s.", "Back to Auto after 3 good cycles; otherwise Safe stop in 28 s."],
  shadow: ["shadow", -12 * MINUTE, false, "Would charge to 84 %, for the price peak at 18:00. Writes nothing until armed.", "All 31 required points good for 12 min."],
  latched: ["safe_stop", -4 * MINUTE, true, "Stopped safely, because the battery reported a fault.", "Stays stopped until the cause is gone and an operator acknowledges."],
  manual: ["manual", -3 * MINUTE, true, "Follows the powers that anna has set.", null],
  unknown: ["init", -3000, false, "Waits for the first measurement of every required point.", "Shadow, when all have come."],
};

/** A plan of 24 hours in quarters from the last policy step on. */
function plan(nowMs) {
  const from = Math.floor(nowMs / (15 * MINUTE)) * 15 * MINUTE;
  const times = Array.from({ length: 96 }, (_, index) => from + index * 15 * MINUTE);
  const soc = times.map((ms) => socPlan((ms - START_MS) / HOUR));
  const battery_kw = soc.map((share, index) => Math.max(-30, Math.min(18, ((soc[index + 1] ?? share) - share) * 400)));
  return { made_unix_ms: from, step_s: 900, from_unix_ms: from, soc, battery_kw, chp_kw: times.map((ms) => truth(ms).chp_kw),
    import_price: times.map((ms) => truth(ms).import_price_eur_per_kwh), export_price: times.map((ms) => truth(ms).export_price_eur_per_kwh),
    reason: "charges to 84 %, discharges from 17:30, holds 40 %" };
}

function socPlan(hours) {
  const corners = [[-1, 0.55], [0, 0.638], [1.5, 0.84], [3, 0.84], [5, 0.4], [16, 0.4], [17.5, 0.2], [20, 0.2], [22, 0.3], [30, 0.3]];
  const index = corners.findIndex(([at]) => at > hours);
  if (index <= 0) return corners.at(index === 0 ? 0 : -1)[1];
  const [[x0, y0], [x1, y1]] = [corners[index - 1], corners[index]];
  return y0 + ((y1 - y0) * (hours - x0)) / (x1 - x0);
}

const MONEY = {
  normal: { today_eur: 58.4, rule_today_eur: 60.6, idle_today_eur: 76.1, error_eur: 0.4, valid: true, why: null },
  units: { today_eur: 58.4, rule_today_eur: null, idle_today_eur: null, error_eur: null, valid: false, why: "The plant model does not know two batteries." },
  unknown: { today_eur: null, rule_today_eur: null, idle_today_eur: null, error_eur: null, valid: false, why: "No hour of today is recorded yet." },
};

/** The whole State of a scenario at a time of the plant. */
export function stateOf(scenario, nowMs, cycle, extra) {
  const [mode, since, armed, why, next] = MODES[scenario] ?? MODES.normal;
  const plant = PLANTS[scenario] ?? PLANTS.normal;
  const known = scenario !== "unknown";
  return {
    site: scenario === "script" ? "<img src=x onerror=window.pwned=1>" : "Harbour plant", simulated: scenario === "fresh" || scenario === "shadow", version: "0.4.0",
    time: { unix_ms: nowMs, local: new Date(nowMs + OFFSET_MIN * MINUTE).toISOString().slice(0, 19), utc_offset_min: OFFSET_MIN, speed: scenario === "fresh" ? 60 : 1 },
    cycle,
    mode: { now: mode, since_unix_ms: START_MS + since, armed, latched: scenario === "latched", why, next, decided_by: known ? "model td3-extended" : null,
      fault: scenario === "latched" ? { severity: "high", cause: "The battery reported fault 17." } : null },
    points: points(scenario),
    setpoints: known ? { battery_kw: scenario === "abnormal" ? 18.0 : 12.4, chp_on: true, chp_kw: 30.0, pv_limit_kw: null, wind_limit_kw: null, sent: mode !== "shadow",
      units: scenario === "units" ? { battery_2_kw: -8.0, chp_2_kw: 0 } : {} } : null,
    plant, limits: extra.limits,
    plan: known ? plan(nowMs) : null,
    prices: { import_now: known ? 0.098 : null, export_now: known ? 0.078 : null, ahead: null },
    money: MONEY[scenario] ?? MONEY.normal,
    alarms: counts(extra.alarms),
    devices: devicesOf(scenario).map(({ name, state }) => ({ name, state })), broker: true,
    control: extra.control, health: { slips: 0, lateness_p99_ms: 0.8, journal: "ok", history: "ok" }, history: { points: 61 },
  };
}

function counts(alarms) {
  const active = alarms.filter((one) => one.state === "unacknowledged" || one.state === "acknowledged");
  const number = (priority) => active.filter((one) => one.priority === priority).length;
  const open = alarms.filter((one) => one.state === "unacknowledged" || one.state === "returned");
  return { high: number("high"), medium: number("medium"), low: number("low"), unacknowledged: open.length, top: open[0] ?? null,
    last: { text: "price feed late, back 09:20, acknowledged by anna.", unix_ms: START_MS - 5.33 * HOUR } };
}

/** The alarms of a scenario, as GET alarms lists them. */
export function alarmsOf(scenario) {
  const at = (seconds) => START_MS - seconds * 1000;
  if (scenario === "latched") return [{ id: "battery.fault", priority: "high", state: "acknowledged", source: "battery", text: "The battery reports a fault.", advice: "See the inverter's display for fault 17. The plant stays stopped until the stop is acknowledged.", since_unix_ms: at(240), acknowledged_by: "anna", shelved_until_unix_ms: null, count: 1 }];
  if (scenario === "script") return [{ id: "x.link", priority: "medium", state: "unacknowledged", source: "<b>x</b>", text: "<script>window.pwned=1</script> does not answer.", advice: "<img src=x onerror=window.pwned=1>", since_unix_ms: at(20), acknowledged_by: null, shelved_until_unix_ms: null, count: 1 }];
  if (scenario !== "abnormal") return [];
  return [
    { id: "chp.link", priority: "high", state: "unacknowledged", source: "chp", text: "CHP does not answer.", advice: "Check its network link and that it is in remote. Otherwise Safe stop by itself in 28 s.", since_unix_ms: at(32), acknowledged_by: null, shelved_until_unix_ms: null, count: 1 },
    { id: "battery.follow", priority: "low", state: "returned", source: "battery", text: "Battery followed late.", advice: "Nothing to do now; if it comes again, check the inverter's own limit.", since_unix_ms: at(400), acknowledged_by: null, shelved_until_unix_ms: null, count: 2 },
    { id: "wind.late", priority: "medium", state: "acknowledged", source: "wind", text: "Wind meter answers late.", advice: "Slowest answer 4.1 s, limit 5 s. Check the RS-485 line for a second master or a loose shield.", since_unix_ms: at(588), acknowledged_by: "anna", shelved_until_unix_ms: null, count: 1 },
    { id: "boiler.flow", priority: "low", state: "shelved", source: "boiler", text: "Boiler flow temperature high.", advice: "Sensor is being replaced, work order 4471.", since_unix_ms: at(5000), acknowledged_by: "anna", shelved_until_unix_ms: START_MS + 3.2 * HOUR, count: 4 },
    { id: "gas.pulse", priority: "low", state: "out_of_service", source: "gas meter", text: "Gas meter pulse missing.", advice: "Meter removed for calibration; due back 19 Sep.", since_unix_ms: at(260_000), acknowledged_by: "M. Okafor", shelved_until_unix_ms: null, count: 1 },
  ];
}

export function alarmHistory(alarms) {
  const line = (minutes, id, state, text, by) => ({ unix_ms: START_MS - minutes * MINUTE, id, state, text, by });
  const now = alarms.map((one) => ({ unix_ms: one.since_unix_ms, id: one.id, state: "unacknowledged", text: one.text, by: null }));
  return [...now, line(312, "price.late", "normal", "Price feed late.", null), line(318, "price.late", "acknowledged", "Price feed late.", "anna"), line(320, "price.late", "unacknowledged", "Price feed late.", null),
    line(502, "heat.stale", "normal", "Heat meter stale.", null), line(503, "heat.stale", "acknowledged", "Heat meter stale.", "anna"), line(504, "heat.stale", "unacknowledged", "Heat meter stale.", null)]
    .sort((a, b) => b.unix_ms - a.unix_ms);
}

/** Devices with their points; one of "script" has markup for a name. */
export function devicesOf(scenario) {
  const silent = scenario === "abnormal";
  const device = (name, address, signals, more = {}) => ({ name, kind: "modbus", address, state: "up", polls: 51_233, polls_missed: 3, writes: 0, error: null,
    points: signals.map((tag, index) => devicePoint(tag, index, scenario)), ...more });
  const list = [
    device(scenario === "script" ? "<script>window.pwned=1</script>" : "battery", "192.0.2.10:502, unit 1", ["battery_kw", "soc", "battery_remote"], { writes: 1804 }),
    device("pv", "192.0.2.11:502, unit 1", ["pv_kw"]),
    device("grid-meter", "192.0.2.14:502, unit 1", ["grid_kw", "grid_voltage_pu", "frequency_hz"], { polls: 512_330 }),
    device("load-meter", "192.0.2.15:502, unit 1", ["electric_load_kw"]),
    device("prices", "192.0.2.20:1883", ["import_price_eur_per_kwh", "export_price_eur_per_kwh"], { kind: "mqtt", polls: null, polls_missed: null }),
  ];
  if (scenario === "small") return list;
  list.splice(1, 0, device("chp", "192.0.2.12:502, unit 3", ["chp_kw", "chp_heat_kw", "chp_on", "chp_remote"], {
    writes: 1790, state: silent ? "down" : "up", polls_missed: silent ? 47 : 2, error: silent ? "connection refused (9 tries since 14:31:20)" : null }));
  list.push(device("wind", "RS-485, unit 7", ["wind_kw"], { polls_missed: silent ? 461 : 4 }), device("heat-meter", "192.0.2.16:502, unit 1", ["heat_load_kw", "boiler_heat_kw"]));
  return list;
}

const WRITTEN = { battery_kw: 12.4, chp_kw: 30.0 };

function devicePoint(tag, index, scenario) {
  const { value, unit, quality, age_s } = points(scenario)[tag] ?? { value: null, unit: "", quality: "never", age_s: null };
  const bits = value === null ? 0x8000 : Math.round(Math.abs(value) * 10) & 0xffff;
  return { point: tag.replace(/_kw$/, "_power"), signal: tag, unit, value, raw: /price/.test(tag) ? null : [0, bits].slice(index % 2), quality, age_s,
    register: /price/.test(tag) ? `topic market/${tag}` : `${40080 + 4 * index} ${index % 2 ? "u16" : "i32"} × 0.1`,
    last_write: WRITTEN[tag] === undefined ? null : { value: WRITTEN[tag], unix_ms: START_MS - 6000, read_back: scenario !== "abnormal" || tag !== "chp_kw" } };
}

/** Policy steps, newest first. */
export function decisionsOf(scenario, fromMs, toMs, limit) {
  const step = 15 * MINUTE;
  const list = [];
  for (let at = Math.floor(Math.min(toMs, START_MS) / step) * step; at >= fromMs && list.length < limit; at -= step) list.push(decision(at, scenario));
  return list;
}

function decision(at, scenario) {
  const newest = START_MS - at < 15 * MINUTE;
  const limited = newest || Math.floor(at / (15 * MINUTE)) % 9 === 4;
  const wanted = newest ? 18 : Math.round(truth(at).battery_kw * 10) / 10;
  const written = newest ? 12.4 : limited ? Math.round(wanted * 6) / 10 : wanted;
  const chp = newest ? 30 : truth(at).chp_kw;
  return { unix_ms: at, local: new Date(at + OFFSET_MIN * MINUTE).toISOString().slice(0, 19), cycle: 52_201 - Math.round((START_MS - at) / 1000), mode: scenario === "shadow" ? "shadow" : "auto", decided_by: "model td3-extended",
    asked: { battery_kw: wanted, chp_on: true, chp_kw: chp, grid_kw: null }, written: { battery_kw: written, chp_on: true, chp_kw: chp, renewable_limit_kw: null, sent: scenario !== "shadow" },
    changes: limited ? [{ rule: "battery_ramp", text: "battery ramp: 10 kW a step", quantity: "battery", by_kw: Math.round((written - wanted) * 10) / 10, margin_kw: 0 }] : [],
    margins: { soc: 0.151, import_kw: 96.6, export_kw: 83.4, voltage_pu: 0.047 },
    reason: newest ? "Power costs 9.8 ct now and 34.2 ct at 18:00, so the battery charges. The ramp allows 12.4 kW of the 18.0 kW asked." : "Holds what the plan says." };
}
