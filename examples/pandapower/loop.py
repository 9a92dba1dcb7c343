"""A day of a low-voltage site in pandapower, with the gateway in the loop, in lock-step over MQTT.

pandapower solves the power flow of every quarter of an hour; voltage, power and reactive power at the connection come from there and
not from the gateway's own model. The gateway decides, this script applies (battery, CHP, cap on renewables), then time goes on.

    python3 loop.py --port 1883 --prefix memg/lab/cosim --day 2016-06-21

README.md beside this file says how to start broker and gateway.
"""

import argparse
import csv
import math
import pathlib
import sys

import pandapower as pp

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))
from lockstep import Controller  # noqa: E402

STEP_S, STEP_H = 900, 0.25
# config/sites/site-a.toml
CAPACITY_KWH, EFFICIENCY, RATED_MW = 100.0, 0.95, 0.1
RESISTANCE_PU, REACTANCE_PU, LOAD_POWER_FACTOR = 0.025, 0.024, 0.95
PROFILE = FOLDER.parent.parent / "config/profiles/site-a-2016.csv"


def network():
    """The stiff grid, the connection with the impedance of the site file, and the site's bus with all that is on it."""
    net = pp.create_empty_network()
    grid, site = (pp.create_bus(net, vn_kv=0.4, name=name) for name in ("grid", "site"))
    pp.create_ext_grid(net, grid)
    pp.create_impedance(net, grid, site, rft_pu=RESISTANCE_PU, xft_pu=REACTANCE_PU, sn_mva=RATED_MW)
    for name in ("pv", "wind", "chp"):
        pp.create_sgen(net, site, p_mw=0.0, name=name)
    pp.create_load(net, site, p_mw=0.0, name="load")
    pp.create_storage(net, site, p_mw=0.0, max_e_mwh=CAPACITY_KWH / 1000, name="battery")
    return net


def solve(net, row, battery_kw, chp_kw, cap_kw):
    """Power flow of one step: what a meter at the connection shows, and what was produced. Battery + = charging."""
    available_kw = row["pv_kw"] + row["wind_kw"]
    share = min(1.0, cap_kw / available_kw) if available_kw > 0 else 1.0
    for index, kw in enumerate((row["pv_kw"] * share, row["wind_kw"] * share, chp_kw)):
        net.sgen.loc[index, "p_mw"] = kw / 1000
    load_mw = row["electric_load_kw"] / 1000
    net.load.loc[0, ["p_mw", "q_mvar"]] = [load_mw, load_mw * math.tan(math.acos(LOAD_POWER_FACTOR))]
    net.storage.loc[0, "p_mw"] = battery_kw / 1000
    net.ext_grid.loc[0, "vm_pu"] = row["grid_voltage_pu"]
    pp.runpp(net, numba=False)
    flow = net.res_impedance.loc[0]
    return {
        "grid_kw": -1000 * flow.p_to_mw,
        "grid_kvar": -1000 * flow.q_to_mvar,
        "grid_voltage_pu": net.res_bus.vm_pu[1],
        "pv_kw": row["pv_kw"] * share,
        "wind_kw": row["wind_kw"] * share,
    }


def rows(day):
    with open(PROFILE, encoding="ascii") as file:
        found = [row for row in csv.DictReader(file) if row["time"].startswith(day)]
    return [{name: float(text) for name, text in row.items() if name != "time"} for row in found]


def measured(row, meter, state):
    """What the gateway is told: the profile, the meter of the power flow, and the site's own equipment."""
    told = {name: row[name] for name in row if name not in ("pv_kw", "wind_kw", "grid_voltage_pu")}
    return told | meter | {"pv_available_kw": row["pv_kw"], "wind_available_kw": row["wind_kw"]} | state


def day(rows, decide):
    """Lives through a day; `decide` turns measurements into set-points. What the meter showed in each step."""
    net, soc, powers = network(), 0.5, (0.0, 0.0, math.inf)
    seen = []
    for row in rows:
        # The equipment runs as it was told before while it is measured; then it does as it is told now.
        before = solve(net, row, *powers)
        state = {"soc": soc, "battery_kw": powers[0], "chp_kw": powers[1], "chp_on": powers[1] > 0}
        told = decide(measured(row, before, state))
        powers = (told["battery_kw"], told["chp_kw"], told["renewable_limit_kw"])
        charge, discharge = max(0.0, powers[0]), max(0.0, -powers[0])
        soc += (EFFICIENCY * charge - discharge / EFFICIENCY) * STEP_H / CAPACITY_KWH
        seen.append(solve(net, row, *powers) | {"soc": soc})
    return seen


def line(name, seen):
    grid, voltage, soc = ([step[key] for step in seen] for key in ("grid_kw", "grid_voltage_pu", "soc"))
    bought, sold = (STEP_H * sum(max(0.0, sign * kw) for kw in grid) for sign in (1, -1))
    return (f"{name:<14} grid {min(grid):7.1f} to {max(grid):6.1f} kW, {bought:6.1f} kWh in, {sold:5.1f} kWh out, "
            f"voltage {min(voltage):.4f} to {max(voltage):.4f} pu, SoC {min(soc):.2f} to {max(soc):.2f}, at the end {soc[-1]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="memg/lab/cosim")
    parser.add_argument("--day", default="2016-06-21")
    options = parser.parse_args()
    profile = rows(options.day)
    resting = lambda _: {"battery_kw": 0.0, "chp_kw": 0.0, "renewable_limit_kw": math.inf}
    print(f"{options.day}, {len(profile)} steps")
    print(line("nothing moves", day(profile, resting)))
    with Controller(options.host, options.port, options.prefix) as controller:
        controller.start(STEP_S)
        print(line("the gateway", day(profile, controller.step)))
        print("summary", controller.stop())


if __name__ == "__main__":
    main()
