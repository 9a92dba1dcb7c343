// Asked, changed by, written: one decision of a policy step, for the overview and the page of decisions.

import { h } from "../lib/dom.js";
import { known, kw } from "../lib/format.js";
import { sentence, verb } from "../lib/words.js";

const SAME_KW = 0.05;

/** Which row a change belongs to: what the gateway names, else what the rule's name says, else where something changed. */
function rowOf({ quantity, rule }) {
  const name = String(quantity ?? rule).toLowerCase();
  if (/chp/.test(name)) return "chp";
  if (/battery|soc|charge/.test(name)) return "battery";
  return /curtail|negative|renewable/.test(name) ? "cap" : "any";
}

const differs = (asked, written) => known(asked) && known(written) && Math.abs(asked - written) > SAME_KW;

/** The changes that a row shows. */
export function changesOf(decision, row) {
  const changes = decision.changes ?? [];
  const own = changes.filter((change) => rowOf(change) === row);
  if (own.length || row === "cap") return own;
  const key = row === "chp" ? "chp_kw" : "battery_kw";
  return differs(decision.asked?.[key], decision.written?.[key])
    ? changes.filter((change) => rowOf(change) === "any")
    : [];
}

/** What is written is not what was asked, and no rule says why: then the page does not say that nothing changed. */
export function unnamed(decision, row) {
  if (row === "cap" || changesOf(decision, row).length) return false;
  const of = (side) => (row === "chp" ? (side?.chp_on === false ? 0 : side?.chp_kw) : side?.battery_kw);
  return differs(of(decision.asked), of(decision.written));
}

export const ruleName = (change) => sentence(change.rule);

/** A power with its verb below. */
function power(kind, value, more = "", none = "nothing") {
  if (!known(value)) return h("span.m", none);
  return [h("span.num", kw(Math.abs(value))), h("small", verb(kind, value), more)];
}

function changed(decision, row) {
  const changes = changesOf(decision, row);
  if (!changes.length) return unnamed(decision, row) ? h("span", "no rule named") : h("span.m", "not changed");
  const [first] = changes;
  const more =
    changes.length > 1
      ? `and ${changes.length - 1} more`
      : known(first.by_kw) && Math.abs(first.by_kw) > SAME_KW
        ? h("span.nw", "by ", kw(Math.abs(first.by_kw)))
        : "";
  return [h("span.lim", { title: first.text ?? "" }, ruleName(first)), h("small", more)];
}

/** What is written to PV and wind; a decision that wrote nothing did not lift a cap either. */
function cap(written) {
  if (!written) return h("span.m", "nothing");
  return known(written.renewable_limit_kw) ? ["at most ", kw(written.renewable_limit_kw)] : "no cap";
}

/** The table; `batteries` and `chps` say which rows the plant has. */
export function awcTable(decision, { batteries = 1, chps = 1, renewables = true }) {
  const asked = decision.asked ?? {};
  const written = decision.written ?? {};
  const sent = written.sent === true;
  const mark = sent ? " ✓" : "";
  const chp = (side) => (side.chp_on === false ? 0 : side.chp_kw);
  const rows = [
    batteries > 0 &&
      row(
        "Battery",
        power("battery", asked.battery_kw, "", "not asked"),
        changed(decision, "battery"),
        power("battery", written.battery_kw, mark),
      ),
    chps > 0 &&
      row("CHP", power("chp", chp(asked), "", "not asked"), changed(decision, "chp"), power("chp", chp(written), mark)),
    renewables && row("PV, wind", "no cap", changed(decision, "cap"), cap(decision.written)),
  ];
  const head = h(
    "tr",
    h("th.c1", h("span.vh", "Device")),
    h("th.c2", "asked"),
    h("th.ar", "changed by"),
    h("th.to", sent ? "written" : "would write"),
  );
  return h("table.awc", h("thead", head), h("tbody", rows));
}

const row = (name, asked, changes, written) =>
  h("tr", h("th", { scope: "row" }, name), h("td", asked), h("td.ar", changes), h("td.to", written));
