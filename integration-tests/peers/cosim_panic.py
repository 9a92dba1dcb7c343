"""Makes a step of a controller FMU panic inside FMPy and looks at what is left of the host.

usage: cosim_panic.py FILE.fmu      an FMU whose binary was built with the feature panic-injection; prints `alive`
"""

import sys

from fmpy import extract, instantiate_fmu, read_model_description
from fmpy.fmi1 import FMICallException

# instance::PANIC_LOAD_KW
PANIC_LOAD_KW = 66.625
STEP = 900.0


def log_line(*arguments):
    """FMI 2.0 gives (environment, name, status, category, message), FMI 3.0 (environment, status, category, message)."""
    lines.append(b" ".join(a for a in arguments if isinstance(a, bytes)).decode())


def ready(folder, description):
    fmu = instantiate_fmu(folder, description, fmi_type="CoSimulation", debug_logging=True, logger=log_line)
    if description.fmiVersion.startswith("3"):
        fmu.enterInitializationMode(startTime=0.0)
    else:
        fmu.setupExperiment(startTime=0.0)
        fmu.enterInitializationMode()
    fmu.exitInitializationMode()
    return fmu


def status_of_step(fmu, k):
    try:
        fmu.doStep(currentCommunicationPoint=k * STEP, communicationStepSize=STEP)
        return 0
    except FMICallException as failure:
        return failure.status


lines = []
description = read_model_description(sys.argv[1])
folder = extract(sys.argv[1])
load = {v.name: v.valueReference for v in description.modelVariables}["p_load"]
broken, other = ready(folder, description), ready(folder, description)
set_load = broken.setFloat64 if description.fmiVersion.startswith("3") else broken.setReal
assert status_of_step(broken, 0) == 0
set_load([load], [PANIC_LOAD_KW])
assert status_of_step(broken, 1) == 4, "a panic must be a fatal status"
assert any("panic" in line for line in lines), lines
assert status_of_step(broken, 1) >= 3, "a broken instance must not go on"
broken.freeInstance()
# The other instance in the same library is none the worse, and neither is the host.
for k in range(96):
    assert status_of_step(other, k) == 0
assert status_of_step(ready(folder, description), 0) == 0
print("alive")
