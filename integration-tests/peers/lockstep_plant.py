"""Puts a plant FMU in front of the gateway, in lock-step over MQTT. An example to start from, and a test.

usage: lockstep_plant.py PLANT.fmu [--port 1883] [--prefix memg/site/cosim] [--steps 96] [--frames]

Measures, waits for the set-points of the same step, applies them, and only then lets the plant live through the step: no
delay. `--frames` speaks VILLASnode frames instead (positions as in INPUTS and OUTPUTS).
Prints `battery chp` set-points, one line a step.
"""

import argparse
import json
import sys

from cosim_loop import start
from lockstep_sim import START_TRIES, STEP_S, Controller

# The gateway's name of each output of the plant.
SIGNALS = {
    "p_load": "electric_load_kw", "q_heat": "heat_load_kw", "soc": "soc", "p_battery": "battery_kw", "p_chp": "chp_kw",
    "price": "import_price_eur_per_kwh", "price_export": "export_price_eur_per_kwh", "v_pcc": "grid_voltage_pu",
    "f_grid": "frequency_hz", "p_grid": "grid_kw", "q_grid": "grid_kvar", "p_pv": "pv_available_kw",
    "p_wind": "wind_available_kw",
}
# The input of the plant for each set-point.
SET_POINTS = {"battery_kw": "p_battery_set", "chp_kw": "p_chp_set", "renewable_limit_kw": "p_renewable_max"}
PRICES = [f"price_ahead_{hour}" for hour in range(24)]
INPUTS = [*SIGNALS.values(), "chp_on"]  # and behind them the prices ahead
OUTPUTS = [*SET_POINTS, "chp_on", "status"]


class Plant:
    """The FMU: measures, and lives through steps with set-points."""

    def __init__(self, path):
        self.fmu, self.reference, (self.get, self.set), (self.get_flags, self.set_flags) = start(path)

    def measure(self):
        values = dict(zip(SIGNALS.values(), self.get([self.reference[name] for name in SIGNALS])))
        (known,) = self.get([self.reference["price_ahead_hours"]])
        prices = list(self.get([self.reference[name] for name in PRICES]))[: int(known)]
        return values | {"chp_on": float(self.get_flags([self.reference["chp_on"]])[0]), "import_price_ahead": prices}

    def live(self, k, wanted):
        self.set([self.reference[name] for name in SET_POINTS.values()], [wanted[name] for name in SET_POINTS])
        self.set_flags([self.reference["chp_on_set"]], [wanted["chp_on"] >= 0.5])
        self.fmu.doStep(currentCommunicationPoint=k * float(STEP_S), communicationStepSize=float(STEP_S))


def by_messages(controller, k, measured):
    """One step with the JSON messages."""
    answer = json.loads(controller.ask("meas", {"sid": "plant", "k": k, "t": k * STEP_S, "v": measured}))
    assert answer["status"] == "ok", answer
    return answer["v"]


def by_frames(controller, k, measured):
    """One step with VILLASnode frames: numbers without names."""
    data = [measured[name] for name in INPUTS] + measured["import_price_ahead"]
    frame = {"ts": {"origin": [k * STEP_S, 0]}, "sequence": k, "data": data}
    (answer,) = json.loads(controller.ask("villas/in", [frame], tries=1 if k else START_TRIES))
    assert answer["sequence"] == k and answer["ts"] == frame["ts"], answer
    wanted = dict(zip(OUTPUTS, answer["data"]))
    assert wanted["status"] == 0, answer
    return wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plant")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="memg/site/cosim")
    parser.add_argument("--steps", type=int, default=96)
    parser.add_argument("--frames", action="store_true")
    options = parser.parse_args()
    plant = Plant(options.plant)
    controller = Controller(options.host, options.port, options.prefix)
    step = by_frames if options.frames else by_messages
    if not options.frames:
        ready = json.loads(controller.ask("start", {"sid": "plant", "t0": 0, "dt_s": STEP_S}, tries=START_TRIES))
        assert ready["status"] == "ok", ready
    for k in range(options.steps):
        wanted = step(controller, k, plant.measure())
        plant.live(k, wanted)
        print(repr(wanted["battery_kw"]), repr(wanted["chp_kw"]))
    if not options.frames:
        summary = json.loads(controller.ask("stop", {"sid": "plant"}))
        assert summary["steps"] == options.steps, summary
    controller.close()


if __name__ == "__main__":
    sys.exit(main())
