"""A plant as somebody else writes it: other names, watts, batteries + = discharging. Built by a foreign tool (PythonFMU).

    python -m pythonfmu build -f foreign_plant.py -d FOLDER       gives FOLDER/ForeignPlant.fmu (FMI 2.0)

FMI 3.0 with PythonFMU3: Fmi3, Float64 and Int32 in place of Fmi2, Real and Integer.

The parameter `trouble` spoils step `trouble_at`: 1 gives NaN, 2 an exception, 3 never comes back.
"""

import math
import time

from pythonfmu import Fmi2Causality, Fmi2Slave, Fmi2Variability, Integer, Real

OUTPUTS = {"Roof.P": "pv", "Mast.P": "wind", "Hall.P": "load", "Hall.Q": "heat", "Storage.soc": "soc"}


class ForeignPlant(Fmi2Slave):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.capacity, self.discharge, self.engine = 3.6e8, 0.0, 0.0
        self.trouble, self.trouble_at, self.steps = 0, 0, 0
        self.soc = 0.5
        self.measure(0.0)
        for name, field in OUTPUTS.items():
            self.register_variable(Real(name, causality=Fmi2Causality.output, getter=lambda f=field: getattr(self, f)))
        for name, field in {"Storage.P": "discharge", "Engine.P": "engine"}.items():
            self.register_variable(self.settable(Real, name, field, Fmi2Causality.input))
        fixed = {"variability": Fmi2Variability.tunable}
        self.register_variable(self.settable(Real, "Storage.E", "capacity", Fmi2Causality.parameter, **fixed))
        for name in ("trouble", "trouble_at"):
            self.register_variable(self.settable(Integer, name, name, Fmi2Causality.parameter, **fixed))

    def settable(self, kind, name, field, causality, **more):
        access = {"getter": lambda: getattr(self, field), "setter": lambda value: setattr(self, field, value)}
        return kind(name, causality=causality, **access, **more)

    def measure(self, t):
        hour = (t / 3600) % 24
        self.pv = 60e3 * max(0.0, math.sin(math.pi * (hour - 6) / 12))
        self.wind, self.load, self.heat = 5e3, 30e3, 20e3

    def do_step(self, t, dt):
        self.steps += 1
        trouble = self.trouble if self.steps == self.trouble_at else 0
        if trouble == 2:
            raise RuntimeError("the boiler is on strike")
        while trouble == 3:
            time.sleep(0.1)
        self.soc -= self.discharge * dt / self.capacity
        self.measure(t + dt)
        if trouble == 1:
            self.load = math.nan
        return True
