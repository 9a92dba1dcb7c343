"""Judges an FMU with FMPy and fmutool: validation, a day, speed, memory, states, instances, threads, bad input.

usage: cosim_judge.py FILE.fmu...      prints one line `name value` per finding; any failure ends with a traceback
"""

import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

from fmpy import extract, instantiate_fmu, read_model_description, simulate_fmu
from fmpy.fmi1 import FMICallException
from fmpy.validation import validate_fmu

STEP = 900.0


class Model:
    """An initialized instance of either version with access by name."""

    def __init__(self, path, logger=None):
        self.description = read_model_description(path)
        self.folder = extract(path)
        self.references = {v.name: v.valueReference for v in self.description.modelVariables}
        # Time of this thread, so that a busy machine does not count.
        begin = time.thread_time()
        self.fmu = instantiate_fmu(self.folder, self.description, fmi_type="CoSimulation", logger=logger)
        self.is_three = self.description.fmiVersion.startswith("3")
        self.start()
        self.init_ms = 1e3 * (time.thread_time() - begin)

    def start(self):
        if self.is_three:
            self.fmu.enterInitializationMode(startTime=0.0)
        else:
            self.fmu.setupExperiment(startTime=0.0)
            self.fmu.enterInitializationMode()
        self.fmu.exitInitializationMode()

    def set(self, name, value):
        set_real = self.fmu.setFloat64 if self.is_three else self.fmu.setReal
        set_real([self.references[name]], [value])

    def get(self, name):
        get_real = self.fmu.getFloat64 if self.is_three else self.fmu.getReal
        return get_real([self.references[name]])[0]

    def step(self, k):
        self.fmu.doStep(currentCommunicationPoint=k * STEP, communicationStepSize=STEP)

    def save(self):
        return self.fmu.getFMUState() if self.is_three else self.fmu.getFMUstate()

    def load(self, state):
        (self.fmu.setFMUState if self.is_three else self.fmu.setFMUstate)(state)

    def forget(self, state):
        (self.fmu.freeFMUState if self.is_three else self.fmu.freeFMUstate)(state)

    def pack(self, state):
        return self.fmu.serializeFMUState(state) if self.is_three else self.fmu.serializeFMUstate(state)

    def unpack(self, data):
        if self.is_three:
            return self.fmu.deserializeFMUState(data)
        return self.fmu.deSerializeFMUstate(data)

    def free(self):
        self.fmu.terminate()
        self.fmu.freeInstance()


def input_of(model):
    return "p_load" if "p_battery_set" not in model.references or is_controller(model) else "p_battery_set"


def is_controller(model):
    return model.description.modelName == "memg_ems"


def run(model, first, last):
    """Steps with a changing input; returns what came out."""
    watched = "p_battery_set" if is_controller(model) else "soc"
    values = []
    for k in range(first, last):
        model.set(input_of(model), 20.0 + 7.0 * (k % 9) if is_controller(model) else 5.0 - (k % 11))
        model.step(k)
        values.append(model.get(watched))
    return values


def microseconds(call, batches=20, count=200):
    """Least median of some batches of single calls, so that a busy machine does not count."""
    medians = []
    for batch in range(batches):
        times = []
        for k in range(batch * count, (batch + 1) * count):
            begin = time.perf_counter_ns()
            call(k)
            times.append(time.perf_counter_ns() - begin)
        medians.append(sorted(times)[count // 2] / 1e3)
    return min(medians)


def judge_speed(path):
    """A step, and in the same run the reading of one output: what the interface itself costs here."""
    model = Model(path)
    watched = "p_battery_set" if is_controller(model) else "soc"
    step_us = microseconds(model.step)
    get_us = microseconds(lambda _: model.get(watched))
    print("step_us", step_us)
    print("get_us", get_us)
    print("step_over_get", step_us / get_us)
    model.free()


def judge_states(path):
    model = Model(path)
    run(model, 0, 10)
    state = model.save()
    future = run(model, 10, 40)
    model.load(state)
    assert run(model, 10, 40) == future, "a restored state has another future"
    other = Model(path)
    copy = other.unpack(model.pack(state))
    other.load(copy)
    assert run(other, 10, 40) == future, "a state from bytes has another future"
    model.fmu.reset()
    model.start()
    assert run(model, 0, 40)[10:] == future, "a reset does not start again"
    model.forget(state)
    other.forget(copy)
    model.free()
    other.free()


def judge_threads(path):
    wanted = run(Model(path), 0, 200)
    models = [Model(path) for _ in range(4)]
    found = [None] * len(models)

    def work(index):
        found[index] = run(models[index], 0, 200)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(models))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(values == wanted for values in found), "instances in threads disturb each other"


def judge_growth(path):
    """Resident memory over ten thousand steps, after a warm-up."""
    model = Model(path)
    run(model, 0, 2000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(model, 2000, 12_000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    model.free()
    return grown


def judge_bad_input(path):
    """Refused when it is set and, whoever does not look, at the step; then everything goes on as if it had never been."""
    if is_controller(Model(path)):
        bad = [("soc", 1.4, "0 to 1"), ("q_heat", 151.0, "0 to 150"), ("price", 200.0, "-100 to 100"), ("p_load", float("nan"), "5 to 100")]
    else:
        bad = [("p_battery_set", float("nan"), "finite")]
    for name, value, expected in bad:
        model, other = Model(path, log_line), Model(path)
        assert run(model, 0, 3) == run(other, 0, 3)
        good = model.get(name)
        refused(lambda: model.set(name, value), name, expected, str(value).removesuffix(".0"), status=2)
        refused(lambda: model.step(3), name, expected, status=2)
        model.set(name, good)
        assert run(model, 3, 30) == run(other, 3, 30), f"{name} = {value} has left a trace"
        model.free()
        other.free()


def refused(call, *words, status=3):
    """The call must fail with this status; the log must say the words."""
    lines.clear()
    try:
        call()
    except FMICallException as failure:
        assert failure.status == status, failure
        assert all(any(word.lower() in line.lower() for line in lines) for word in words), lines
        return
    raise AssertionError(f"accepted; expected {words}")


def judge_wrong_use(path):
    description = read_model_description(path)
    folder, references = extract(path), {v.name: v.valueReference for v in description.modelVariables}
    three = description.fmiVersion.startswith("3")

    def fresh(parameter=None, value=None):
        fmu = instantiate_fmu(folder, description, fmi_type="CoSimulation", logger=log_line)
        get, put = (fmu.getFloat64, fmu.setFloat64) if three else (fmu.getReal, fmu.setReal)
        if parameter:
            put([references[parameter]], [value])
        return fmu, get

    def initialize(fmu):
        fmu.enterInitializationMode(startTime=0.0) if three else (fmu.setupExperiment(startTime=0.0), fmu.enterInitializationMode())
        fmu.exitInitializationMode()

    fmu, get = fresh()
    refused(lambda: get([4_000_000_000]), "4000000000")
    output = "p_battery_set" if "p_battery" in references and is_input(description, "p_load") else "soc"
    refused(lambda: get([references[output]]), output)
    fmu, _ = fresh("battery.soc_min", 2.0)
    refused(lambda: initialize(fmu), "battery.soc_min")
    text = "model_file" if "model_file" in references else "profile_file"
    fmu, _ = fresh()
    fmu.setString([references[text]], ["missing.file"])
    if text == "model_file":
        fmu.setString([references["policy"]], ["td3"])
    refused(lambda: initialize(fmu), text, "missing.file")


def is_input(description, name):
    return any(v.name == name and v.causality == "input" for v in description.modelVariables)


def log_line(*arguments):
    lines.append(b" ".join(a for a in arguments if isinstance(a, bytes)).decode())


lines = []


def judge(path):
    problems = validate_fmu(path)
    assert not problems, problems
    tool = Path(sys.executable).with_name("fmutool")
    checked = subprocess.run([tool, "-input", path, "-check"], capture_output=True, text=True, check=True)
    assert "No semantic error" in checked.stdout + checked.stderr, checked.stdout + checked.stderr
    day = simulate_fmu(path, stop_time=86_400, step_size=STEP, output_interval=STEP)
    assert len(day) == 97, len(day)
    print("init_ms", min(Model(path).init_ms for _ in range(10)))
    judge_speed(path)
    judge_states(path)
    judge_threads(path)
    judge_bad_input(path)
    judge_wrong_use(path)
    print("growth_kb", judge_growth(path))
    print("file_bytes", Path(path).stat().st_size)


for file in sys.argv[1:]:
    judge(file)
