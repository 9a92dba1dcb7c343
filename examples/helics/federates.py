"""The gateway in a HELICS co-simulation: two federates and their broker, in one command.

    python3 federates.py --port 1883 --prefix memg/lab/cosim --hours 24

`gateway` is a bridge: it subscribes to `plant/<signal>`, passes a step to the gateway over MQTT in lock-step, and publishes
`gateway/<set-point>`. `plant` stands for whatever you simulate: a sunny day, a load that peaks in the evening, a battery. Put your
own federate in its place; names and units are those of docs/reference-names.md. README.md says how to start broker and gateway.
"""

import argparse
import math
import multiprocessing
import pathlib
import sys

import helics as h

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lockstep import Controller  # noqa: E402

STEP_S, STEP_H, CAPACITY_KWH, EFFICIENCY = 900.0, 0.25, 100.0, 0.95
MEASURED = "pv_kw wind_kw electric_load_kw heat_load_kw soc import_price_eur_per_kwh export_price_eur_per_kwh".split()
WANTED = ["battery_kw", "chp_kw", "renewable_limit_kw"]


def federate(name, publishes, subscribes, waits=False):
    """A value federate with a period of a step, its publications and its inputs by name."""
    info = h.helicsCreateFederateInfo()
    h.helicsFederateInfoSetCoreTypeFromString(info, "zmq")
    h.helicsFederateInfoSetCoreInitString(info, "--federates=1")
    h.helicsFederateInfoSetTimeProperty(info, h.HELICS_PROPERTY_TIME_PERIOD, STEP_S)
    # Of two federates at the same time the one that waits goes last: it sees what the other says in this step.
    h.helicsFederateInfoSetFlagOption(info, h.HELICS_FLAG_WAIT_FOR_CURRENT_TIME_UPDATE, waits)
    made = h.helicsCreateValueFederate(name, info)
    out = {key: h.helicsFederateRegisterGlobalPublication(made, f"{name}/{key}", h.HELICS_DATA_TYPE_DOUBLE) for key in publishes}
    other = "gateway" if name == "plant" else "plant"
    into = {key: h.helicsFederateRegisterSubscription(made, f"{other}/{key}", "") for key in subscribes}
    h.helicsFederateEnterExecutingMode(made)
    return made, out, into


def steps(made, hours):
    """The times of a run, granted one after the other."""
    for k in range(1, round(hours / STEP_H) + 1):
        yield h.helicsFederateRequestTime(made, k * STEP_S)


def end(made):
    h.helicsFederateDisconnect(made)
    h.helicsFederateFree(made)


def read(into):
    return {key: h.helicsInputGetDouble(place) for key, place in into.items()}


def write(out, values):
    for key, place in out.items():
        h.helicsPublicationPublishDouble(place, values[key])


def plant(hours):
    """Measures, then does as it was told in the step before, as a plant with devices of its own does."""
    made, out, into = federate("plant", MEASURED, WANTED)
    soc = 0.5
    for time_s in steps(made, hours):
        told = read(into) if time_s > STEP_S else {"battery_kw": 0.0}
        kw = told["battery_kw"]
        soc += (EFFICIENCY * max(0.0, kw) - max(0.0, -kw) / EFFICIENCY) * STEP_H / CAPACITY_KWH
        hour = ((time_s - STEP_S) / 3600) % 24
        sun, evening = max(0.0, math.sin(math.pi * (hour - 6) / 12)), math.exp(-((hour - 19) ** 2) / 8)
        price = 0.32 if 17 <= hour < 21 else 0.18
        values = (50 * sun, 5.0, 20 + 25 * evening, 20.0, soc, price, 0.08)
        write(out, dict(zip(MEASURED, values)))
    # The other one may still have something to say in its last step.
    h.helicsFederateRequestTime(made, h.HELICS_TIME_MAXTIME)
    print(f"plant: {hours} h, SoC at the end {soc:.3f}")
    end(made)


def bridge(options):
    """Asks the gateway once a step."""
    made, out, into = federate("gateway", WANTED, MEASURED, waits=True)
    told = []
    with Controller(options.host, options.port, options.prefix) as controller:
        controller.start(STEP_S)
        for _ in steps(made, options.hours):
            told.append(controller.step(read(into)))
            write(out, told[-1])
        summary = controller.stop()
    powers = [step["battery_kw"] for step in told]
    print(f"gateway: {len(told)} steps, battery {min(powers):.1f} to {max(powers):.1f} kW; {summary['hold_steps']} holds, {summary['errors']} errors")
    end(made)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="memg/lab/cosim")
    parser.add_argument("--hours", type=float, default=24.0)
    options = parser.parse_args()
    broker = h.helicsCreateBroker("zmq", "", "--federates=2")
    other = multiprocessing.Process(target=plant, args=(options.hours,))
    other.start()
    bridge(options)
    other.join()
    h.helicsBrokerWaitForDisconnect(broker, 10_000)
    h.helicsCloseLibrary()
    sys.exit(other.exitcode)


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
