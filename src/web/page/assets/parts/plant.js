// The parts of the plant that are drawn: those that it has and that somebody measures. Nothing is inferred.

import { pointNow, usable } from "../lib/values.js";
import { known } from "../lib/format.js";

/** Names of numbered units: the first has no number ("soc", "soc_2"; "chp_kw", "chp_2_kw"). */
export const unitTag = (base, suffix, number) => `${base}${number > 1 ? `_${number}` : ""}${suffix}`;

const numbers = (count) => Array.from({ length: count ?? 0 }, (_, index) => index + 1);
const title = (name, number, count) => (count > 1 ? `${name} ${number}` : name);

/**
 * Every part: `{kind, name, bus, side, point, max, min, setpoint, heat}`. `bus` electric or heat; `side` source (above
 * the bus) or sink; `max` and `min` kW where the plant states them, else null.
 */
export function partsOf(link) {
  const plant = link.state?.plant;
  if (!plant) return [];
  return [
    ...renewables(link, "pv", "PV", plant.pv, plant.pv_kw_max),
    ...renewables(link, "wind", "Wind", plant.wind, plant.wind_kw_max),
    ...chps(link, plant),
    ...heats(link, plant),
    grid(link, plant),
    ...batteries(link, plant),
    part(link, "load", "Load", "electric", "sink", "electric_load_kw", { max: plant.electric_load_kw_max }),
  ];
}

function part(link, kind, name, bus, side, tag, more = {}) {
  return { kind, name, bus, side, tag, point: pointNow(link, tag), max: null, min: null, setpoint: null, ...more };
}

function renewables(link, base, name, has, max) {
  if (!has) return [];
  const tags = numbers(999)
    .map((number) => unitTag(base, "_kw", number))
    .filter((tag) => link.state.points[tag]);
  const found = tags.length ? tags : [unitTag(base, "_kw", 1)];
  const cap = link.state.setpoints?.sent === false ? null : link.state.setpoints?.[`${base}_limit_kw`];
  const more = (index) => ({
    max: found.length === 1 ? max : null,
    setpoint: found.length === 1 && index === 0 ? cap : null,
  });
  return found.map((tag, index) =>
    part(link, base, title(name, index + 1, found.length), "electric", "source", tag, more(index)),
  );
}

function chps(link, plant) {
  return numbers(plant.chps).flatMap((number) => {
    const max = plant.chps === 1 ? plant.chp_kw_max : null;
    const name = title("CHP", number, plant.chps);
    const made = part(link, "chp", name, "electric", "source", unitTag("chp", "_kw", number), {
      max,
      setpoint: unitSetpoint(link, "chp", number),
      heat: pointNow(link, unitTag("chp", "_heat_kw", number)),
    });
    if (plant.chps === 1 || !made.heat) return [made];
    const heat = part(
      link,
      "chpheat",
      title("Heat", number, plant.chps),
      "heat",
      "source",
      unitTag("chp", "_heat_kw", number),
    );
    return [{ ...made, heat: null }, heat];
  });
}

function heats(link, plant) {
  if (!plant.heat) return [];
  const boiler = link.state.points.boiler_heat_kw
    ? [part(link, "boiler", "Boiler", "heat", "source", "boiler_heat_kw", { max: plant.boiler_kw_max })]
    : [];
  return [...boiler, part(link, "heat", "Heat load", "heat", "sink", "heat_load_kw", { max: plant.heat_load_kw_max })];
}

function grid(link, plant) {
  const limits = link.state.limits ?? {};
  const least = (own, outside) => (known(outside) ? Math.min(own ?? Infinity, outside) : own);
  return part(link, "grid", "Grid", "electric", "sink", "grid_kw", {
    max: least(plant.import_kw_max, limits.import_kw_max),
    min: least(plant.export_kw_max, limits.export_kw_max),
  });
}

function batteries(link, plant) {
  return numbers(plant.batteries).map((number) => {
    const max = plant.batteries === 1 ? plant.battery_kw_max : null;
    return part(
      link,
      "battery",
      title("Battery", number, plant.batteries),
      "electric",
      "sink",
      unitTag("battery", "_kw", number),
      {
        max,
        min: max,
        setpoint: unitSetpoint(link, "battery", number),
      },
    );
  });
}

/** What is written to one unit, kW; null where nothing is. `wished`: also what would be, in Shadow. */
export function unitSetpoint(link, base, number, wished = false) {
  const setpoints = link.state?.setpoints;
  if (!setpoints || (setpoints.sent === false && !wished)) return null;
  const tag = unitTag(base, "_kw", number);
  const value = setpoints.units?.[tag] ?? (number === 1 ? setpoints[tag] : null);
  return known(value) ? value : null;
}

/** Power into the bus, kW; null where it is not known. What charges or consumes takes power out. */
export function into(one, heat = false) {
  const point = heat ? one.heat : one.point;
  if (!point || !usable(point)) return null;
  const takes = one.kind === "battery" || one.kind === "load" || one.kind === "heat";
  return takes ? -point.value : point.value;
}

/** "in 77.2, out 77.2 kW" of one bus: sums of what is measured; null where a part is not known. */
export function balance(parts, bus) {
  const flows = parts.flatMap((one) => [
    ...(one.bus === bus ? [into(one)] : []),
    ...(bus === "heat" && one.heat ? [into(one, true)] : []),
  ]);
  if (flows.some((flow) => flow === null)) return null;
  const sum = (list) => list.reduce((all, flow) => all + Math.abs(flow), 0);
  return { into: sum(flows.filter((flow) => flow > 0)), out: sum(flows.filter((flow) => flow < 0)) };
}
