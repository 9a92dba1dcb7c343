"""A mosaik scenario: plant and controller of the gateway in one loop. An example to start from, and a test.

usage: cosim_mosaik.py PLANT EMS STEPS     prints `battery chp` set-points, one line a step

PLANT and EMS say where the two simulators are: `listen:HOST:PORT` of a gateway that waits (`gateway mosaik --listen`), or
`start:COMMAND` with `%(addr)s` for mosaik's address (`start:gateway mosaik %(addr)s`).

The controller sees the plant of the same instant; the plant gets the set-points of the step before (`time_shifted`),
which need an initial value: the plant at rest.
"""

import sys

import mosaik
import mosaik_api_v3

STEP = 900
MEASURED = "p_pv p_wind p_load q_heat soc price price_export v_pcc f_grid p_battery p_chp chp_on p_grid q_grid".split()
MEASURED += [f"price_ahead_{hour}" for hour in range(24)] + ["price_ahead_hours"]
WANTED = {"p_battery_set": 0.0, "p_chp_set": 0.0, "chp_on_set": False, "p_renewable_max": 1e6}


class Printer(mosaik_api_v3.Simulator):
    """Prints what the controller wants."""

    def __init__(self):
        meta = {"public": True, "params": [], "attrs": ["p_battery_set", "p_chp_set"]}
        super().__init__({"type": "time-based", "models": {"Printer": meta}})

    def create(self, num, model):
        return [{"eid": f"printer-{i}", "type": model} for i in range(num)]

    def step(self, time, inputs, max_advance):
        for values in inputs.values():
            print(*(repr(float(next(iter(values[name].values())))) for name in ("p_battery_set", "p_chp_set")))
        return time + STEP

    def get_data(self, outputs):
        return {}


def place(text):
    kind, rest = text.split(":", 1)
    return {"connect": rest} if kind == "listen" else {"cmd": rest}


def main(plant_place, ems_place, steps):
    config = {"Plant": place(plant_place), "Ems": place(ems_place), "Printer": {"python": "__main__:Printer"}}
    world = mosaik.World(config, {"start_timeout": 60}, configure_logging=False)
    plant = world.start("Plant").Plant()
    ems = world.start("Ems").Ems()
    printer = world.start("Printer").Printer()
    world.connect(plant, ems, *MEASURED)
    world.connect(ems, plant, *WANTED, time_shifted=True, initial_data=WANTED)
    world.connect(ems, printer, "p_battery_set", "p_chp_set")
    world.run(until=steps * STEP, print_progress=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
