// What the mock server has written down: alarms, devices, decisions of each scenario.

import { HOUR, MINUTE, OFFSET_MIN, points, START_MS, truth } from "./mock-plant.mjs";

/** The alarms of a scenario, as GET alarms lists them. */
export function alarmsOf(scenario) {
  const at = (seconds) => START_MS - seconds * 1000;
  if (scenario === "latched")
    return [
      {
        id: "battery.fault",
        priority: "high",
        state: "acknowledged",
        source: "battery",
        text: "The battery reports a fault.",
        advice: "See the inverter's display for fault 17. The plant stays stopped until the stop is acknowledged.",
        since_unix_ms: at(240),
        acknowledged_by: "anna",
        shelved_until_unix_ms: null,
        count: 1,
      },
    ];
  if (scenario === "script")
    return [
      {
        id: "x.link",
        priority: "medium",
        state: "unacknowledged",
        source: "<b>x</b>",
        text: "<script>window.pwned=1</script> does not answer.",
        advice: "<img src=x onerror=window.pwned=1>",
        since_unix_ms: at(20),
        acknowledged_by: null,
        shelved_until_unix_ms: null,
        count: 1,
      },
    ];
  if (scenario !== "abnormal") return [];
  return [
    {
      id: "chp.link",
      priority: "high",
      state: "unacknowledged",
      source: "chp",
      text: "CHP does not answer.",
      advice: "Check its network link and that it is in remote. Otherwise Safe stop by itself in 28 s.",
      since_unix_ms: at(32),
      acknowledged_by: null,
      shelved_until_unix_ms: null,
      count: 1,
    },
    {
      id: "battery.follow",
      priority: "low",
      state: "returned",
      source: "battery",
      text: "Battery followed late.",
      advice: "Nothing to do now; if it comes again, check the inverter's own limit.",
      since_unix_ms: at(400),
      acknowledged_by: null,
      shelved_until_unix_ms: null,
      count: 2,
    },
    {
      id: "wind.late",
      priority: "medium",
      state: "acknowledged",
      source: "wind",
      text: "Wind meter answers late.",
      advice: "Slowest answer 4.1 s, limit 5 s. Check the RS-485 line for a second master or a loose shield.",
      since_unix_ms: at(588),
      acknowledged_by: "anna",
      shelved_until_unix_ms: null,
      count: 1,
    },
    {
      id: "boiler.flow",
      priority: "low",
      state: "shelved",
      active: false,
      source: "boiler",
      text: "Boiler flow temperature high.",
      advice: "Sensor is being replaced, work order 4471.",
      since_unix_ms: at(5000),
      acknowledged_by: "anna",
      shelved_until_unix_ms: START_MS + 3.2 * HOUR,
      count: 4,
    },
    {
      id: "gas.pulse",
      priority: "low",
      state: "out_of_service",
      active: true,
      source: "gas meter",
      text: "Gas meter pulse missing.",
      advice: "Meter removed for calibration; due back 19 Sep.",
      since_unix_ms: at(260_000),
      acknowledged_by: "M. Okafor",
      shelved_until_unix_ms: null,
      out_of_service_until_unix_ms: START_MS + 96 * HOUR,
      count: 1,
    },
  ];
}

export function alarmHistory(alarms) {
  const line = (minutes, id, state, text, by) => ({ unix_ms: START_MS - minutes * MINUTE, id, state, text, by });
  const now = alarms.map((one) => ({
    unix_ms: one.since_unix_ms,
    id: one.id,
    state: "unacknowledged",
    text: one.text,
    by: null,
  }));
  return [
    ...now,
    line(312, "price.late", "normal", "Price feed late.", null),
    line(318, "price.late", "acknowledged", "Price feed late.", "anna"),
    line(320, "price.late", "unacknowledged", "Price feed late.", null),
    line(502, "heat.stale", "normal", "Heat meter stale.", null),
    line(503, "heat.stale", "acknowledged", "Heat meter stale.", "anna"),
    line(504, "heat.stale", "unacknowledged", "Heat meter stale.", null),
  ].sort((a, b) => b.unix_ms - a.unix_ms);
}

/** Devices with their points; one of "script" has markup for a name. */
export function devicesOf(scenario) {
  const silent = scenario === "abnormal";
  const device = (name, address, signals, more = {}) => ({
    name,
    kind: "modbus",
    address,
    state: "up",
    polls: 51_233,
    polls_missed: 3,
    writes: 0,
    error: null,
    points: signals.map((tag, index) => devicePoint(tag, index, scenario)),
    ...more,
  });
  const list = [
    device(
      scenario === "script" ? "<script>window.pwned=1</script>" : "battery",
      "192.0.2.10:502, unit 1",
      ["battery_kw", "soc", "battery_remote"],
      { writes: 1804 },
    ),
    device("pv", "192.0.2.11:502, unit 1", ["pv_kw"]),
    device("grid-meter", "192.0.2.14:502, unit 1", ["grid_kw", "grid_voltage_pu", "frequency_hz"], { polls: 512_330 }),
    device("load-meter", "192.0.2.15:502, unit 1", ["electric_load_kw"]),
    device("prices", "192.0.2.20:1883", ["import_price_eur_per_kwh", "export_price_eur_per_kwh"], {
      kind: "mqtt",
      polls: null,
      polls_missed: null,
    }),
  ];
  if (scenario === "small") return list;
  list.splice(
    1,
    0,
    device("chp", "192.0.2.12:502, unit 3", ["chp_kw", "chp_heat_kw", "chp_on", "chp_remote"], {
      writes: 1790,
      state: silent ? "down" : "up",
      polls_missed: silent ? 47 : 2,
      error: silent ? "connection refused (9 tries since 14:31:20)" : null,
    }),
  );
  list.push(
    device("wind", "RS-485, unit 7", ["wind_kw"], { polls_missed: silent ? 461 : 4 }),
    device("heat-meter", "192.0.2.16:502, unit 1", ["heat_load_kw", "boiler_heat_kw"]),
  );
  return list;
}

const WRITTEN = { battery_kw: 12.4, chp_kw: 30.0 };

function devicePoint(tag, index, scenario) {
  const { value, unit, quality, age_s } = points(scenario)[tag] ?? {
    value: null,
    unit: "",
    quality: "never",
    age_s: null,
  };
  const bits = value === null ? 0x8000 : Math.round(Math.abs(value) * 10) & 0xffff;
  return {
    point: tag.replace(/_kw$/, "_power"),
    signal: tag,
    unit,
    value,
    raw: /price/.test(tag) ? null : [0, bits].slice(index % 2),
    quality,
    age_s,
    register: /price/.test(tag) ? `topic market/${tag}` : `${40080 + 4 * index} ${index % 2 ? "u16" : "i32"} × 0.1`,
    last_write:
      WRITTEN[tag] === undefined
        ? null
        : { value: WRITTEN[tag], unix_ms: START_MS - 6000, read_back: scenario !== "abnormal" || tag !== "chp_kw" },
  };
}

/** Policy steps, newest first. */
export function decisionsOf(scenario, fromMs, toMs, limit) {
  const step = 15 * MINUTE;
  const list = [];
  for (let at = Math.floor(Math.min(toMs, START_MS) / step) * step; at >= fromMs && list.length < limit; at -= step)
    list.push(decision(at, scenario));
  return list;
}

function decision(at, scenario) {
  const newest = START_MS - at < 15 * MINUTE;
  const limited = newest || Math.floor(at / (15 * MINUTE)) % 9 === 4;
  const wanted = newest ? 18 : Math.round(truth(at).battery_kw * 10) / 10;
  const written = newest ? 12.4 : limited ? Math.round(wanted * 6) / 10 : wanted;
  const chp = newest ? 30 : truth(at).chp_kw;
  return {
    unix_ms: at,
    local: new Date(at + OFFSET_MIN * MINUTE).toISOString().slice(0, 19),
    cycle: 52_201 - Math.round((START_MS - at) / 1000),
    mode: scenario === "shadow" ? "shadow" : "auto",
    decided_by: "model td3-extended",
    asked: { battery_kw: wanted, chp_on: true, chp_kw: chp, grid_kw: null },
    written: { battery_kw: written, chp_on: true, chp_kw: chp, renewable_limit_kw: null, sent: scenario !== "shadow" },
    changes:
      limited && scenario !== "latched"
        ? [
            {
              rule: "battery_ramp",
              text: "battery ramp: 10 kW a step",
              quantity: "battery",
              by_kw: Math.round((written - wanted) * 10) / 10,
              margin_kw: 0,
            },
          ]
        : [],
    margins: { soc: 0.151, import_kw: 96.6, export_kw: 83.4, voltage_pu: 0.047 },
    reason: newest
      ? "Power costs 9.8 ct now and 34.2 ct at 18:00, so the battery charges. The ramp allows 12.4 kW of the 18.0 kW asked."
      : "Holds what the plan says.",
  };
}
