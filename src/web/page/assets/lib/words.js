// The page's words for what the gateway sends as names.

import { known } from "./format.js";

export const MODES = {
  init: "Init",
  hold: "Hold",
  auto: "Auto",
  manual: "Manual",
  shadow: "Shadow",
  fallback: "Fallback",
  safe_stop: "Safe stop",
};
export const modeName = (mode) => MODES[mode] ?? sentence(mode ?? "unknown");

const ROLES = ["viewer", "guard", "operator", "engineer"];
/** Whether `role` may do what needs at least `least`. */
export const may = (role, least) => ROLES.indexOf(role) >= ROLES.indexOf(least);

const IDLE_KW = 0.05;

/** What a power says as a verb, by the kind of its part. Powers kW; battery + = charging, grid + = importing. */
export function verb(kind, power) {
  if (!known(power)) return "unknown";
  if (Math.abs(power) < IDLE_KW) return kind === "chp" ? "off" : "idle";
  const verbs = VERBS[kind] ?? ["", ""];
  return power > 0 ? verbs[0] : verbs[1];
}

const VERBS = {
  battery: ["charging", "discharging"],
  grid: ["importing", "exporting"],
  pv: ["producing", "consuming"],
  wind: ["producing", "consuming"],
  chp: ["producing", "consuming"],
  load: ["consuming", "feeding"],
  heat: ["consuming", "feeding"],
  boiler: ["heating", "cooling"],
  chpheat: ["giving off", "taking up"],
};

/** "battery_ramp" -> "Battery ramp"; names of the field in capitals. */
export function sentence(name) {
  const text = String(name)
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .replaceAll("_", " ")
    .replaceAll(".", " ")
    .trim()
    .toLowerCase();
  const words = text.replace(
    /\b(chp|pv|kw|kwh|soc|eur|mqtt|id|url)\b/g,
    (word) => CAPITALS[word] ?? word.toUpperCase(),
  );
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const CAPITALS = { kw: "kW", kwh: "kWh", soc: "charge" };

/** "at 14:48 it stops" -> "At 14:48 it stops." */
export const asSentence = (text) =>
  String(text)
    .replace(/^./, (first) => first.toUpperCase())
    .replace(/([^.!?])$/, "$1.");

/** A point's name for people: label of the gateway, else made of the tag. */
export function pointName(tag, label) {
  if (label) return label;
  const [, base, number] = /^(.*?)(?:_(kw|pu|hz|kvar|kwh|eur_per_kwh|eur_per_h))?$/.exec(tag) ?? [];
  return NAMES[tag] ?? sentence((base ?? tag) + (number ? "" : ""));
}

const NAMES = {
  pv_kw: "PV",
  wind_kw: "Wind",
  electric_load_kw: "Load",
  heat_load_kw: "Heat load",
  soc: "State of charge",
  battery_kw: "Battery",
  chp_kw: "CHP",
  chp_heat_kw: "CHP heat",
  boiler_heat_kw: "Boiler",
  grid_kw: "Grid",
  grid_voltage_pu: "Voltage",
  frequency_hz: "Frequency",
  import_price_eur_per_kwh: "Import price",
  export_price_eur_per_kwh: "Export price",
  cost_eur_per_h: "Cost",
  "setpoint.battery_kw": "Battery set-point",
  "setpoint.chp_kw": "CHP set-point",
  "setpoint.pv_limit_kw": "PV cap",
  "setpoint.wind_limit_kw": "Wind cap",
};

export const PRIORITIES = { high: ["High", 1], medium: ["Medium", 2], low: ["Low", 3] };

export const ALARM_STATES = {
  unacknowledged: ["Active", "not acknowledged"],
  acknowledged: ["Active", "acknowledged"],
  returned: ["Returned", "not acknowledged"],
  shelved: ["Shelved", ""],
  out_of_service: ["Out of service", ""],
  normal: ["Normal", ""],
};

export const MEANS = {
  web: "this page",
  mqtt: "MQTT",
  modbus_server: "SCADA",
  modbus: "SCADA",
  sunspec: "SunSpec",
  iec104: "IEC 104",
  opcua: "OPC UA",
  terminal: "the terminal",
};
