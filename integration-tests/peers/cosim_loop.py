"""Runs controller and plant FMUs in a closed loop under somebody else's master.

usage: cosim_loop.py fmpy|libcosim|ecos EMS.fmu PLANT.fmu STEPS     prints `battery chp` set-points, one line a step

fmpy: controller first, then the plant, as live. libcosim and ecos: both step at once, so that the plant acts on the
set-points of the step before.
"""

import sys

STEP = 900.0
MEASURED = "p_pv p_wind p_load q_heat soc price price_export v_pcc f_grid p_battery p_chp p_grid q_grid".split()
MEASURED += [f"price_ahead_{hour}" for hour in range(24)] + ["price_ahead_hours"]
WANTED = "p_battery_set p_chp_set p_renewable_max".split()


def start(path):
    """An FMU under FMPy, initialized: itself, references by name, (get, set) of numbers, (get, set) of booleans."""
    from fmpy import extract, instantiate_fmu, read_model_description

    description = read_model_description(path)
    fmu = instantiate_fmu(extract(path), description, fmi_type="CoSimulation")
    three = description.fmiVersion.startswith("3")
    if three:
        fmu.enterInitializationMode(startTime=0.0)
    else:
        fmu.setupExperiment(startTime=0.0)
        fmu.enterInitializationMode()
    fmu.exitInitializationMode()
    reference = {v.name: v.valueReference for v in description.modelVariables}
    real = (fmu.getFloat64, fmu.setFloat64) if three else (fmu.getReal, fmu.setReal)
    flag = (fmu.getBoolean, fmu.setBoolean)
    return fmu, reference, real, flag


def fmpy_loop(ems_path, plant_path, steps):
    ems, plant = start(ems_path), start(plant_path)

    def copy(source, target, names, flags):
        for kind, wanted in ((2, names), (3, flags)):
            for (a, b) in wanted:
                target[kind][1]([target[1][b]], source[kind][0]([source[1][a]]))

    for k in range(steps):
        copy(plant, ems, [(n, n) for n in MEASURED], [("chp_on", "chp_on")])
        ems[0].doStep(currentCommunicationPoint=k * STEP, communicationStepSize=STEP)
        copy(ems, plant, [(n, n) for n in WANTED], [("chp_on_set", "chp_on_set")])
        plant[0].doStep(currentCommunicationPoint=k * STEP, communicationStepSize=STEP)
        battery, chp = ems[2][0]([ems[1]["p_battery_set"], ems[1]["p_chp_set"]])
        print(repr(battery), repr(chp))


def libcosim_loop(ems_path, plant_path, steps):
    from libcosimpy.CosimExecution import CosimExecution
    from libcosimpy.CosimLogging import CosimLogLevel, log_output_level
    from libcosimpy.CosimObserver import CosimObserver
    from libcosimpy.CosimSlave import CosimLocalSlave

    log_output_level(CosimLogLevel.WARNING)
    execution = CosimExecution.from_step_size(step_size=int(STEP * 1e9))
    indices = {}
    for name, path in (("ems", ems_path), ("plant", plant_path)):
        indices[name] = execution.add_local_slave(CosimLocalSlave(fmu_path=path, instance_name=name))
    references = {
        slave: {v.name.decode(): v.reference for v in execution.slave_variables(index)}
        for slave, index in indices.items()
    }

    def connect(kind, source, output, target, input_):
        function = getattr(execution, f"connect_{kind}_variables")
        # 0 is success here.
        failed = function(indices[source], references[source][output], indices[target], references[target][input_])
        assert not failed, f"{source}.{output} -> {target}.{input_}"

    for name in MEASURED:
        connect("real", "plant", name, "ems", name)
    for name in WANTED:
        connect("real", "ems", name, "plant", name)
    connect("boolean", "plant", "chp_on", "ems", "chp_on")
    connect("boolean", "ems", "chp_on_set", "plant", "chp_on_set")
    observer = CosimObserver.create_last_value()
    assert execution.add_observer(observer)
    wanted = [references["ems"][name] for name in ("p_battery_set", "p_chp_set")]
    for _ in range(steps):
        assert execution.step(), execution.status()
        battery, chp = observer.last_real_values(indices["ems"], wanted)
        print(repr(battery), repr(chp))


def ecos_loop(ems_path, plant_path, steps):
    from ecospy import EcosSimulation, EcosSimulationStructure

    with EcosSimulationStructure() as structure:
        structure.add_model("ems", ems_path)
        structure.add_model("plant", plant_path)
        for name in MEASURED:
            structure.make_real_connection(f"plant::{name}", f"ems::{name}")
        for name in WANTED:
            structure.make_real_connection(f"ems::{name}", f"plant::{name}")
        structure.make_bool_connection("plant::chp_on", "ems::chp_on")
        structure.make_bool_connection("ems::chp_on_set", "plant::chp_on_set")
        with EcosSimulation(structure=structure, step_size=STEP) as simulation:
            simulation.init()
            for _ in range(steps):
                simulation.step(1)
                print(repr(simulation.get_real("ems::p_battery_set")), repr(simulation.get_real("ems::p_chp_set")))


LOOPS = {"fmpy": fmpy_loop, "libcosim": libcosim_loop, "ecos": ecos_loop}
if __name__ == "__main__":
    LOOPS[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))
