"""A day steps bit for bit as in `gateway evaluate`: observations, powers, states of charge, costs."""

import pytest
from conftest import MODELS, PROFILE, SITES

import memg_gym

DAY = "2016-01-20"
FLAGS = ("--month-days", "20-20", "--block-days", "1")
# Those of a trace that a step tells, too.
COLUMNS = (
    "request_battery_kw p_battery_kw p_chp_kw p_grid_kw curtailed_kw unserved_kw q_boiler_kw heat_dumped_kw heat_unserved_kw "
    "soc_before soc_after voltage_pu cost_eur import_price relaxation_stage"
).split()


def lived(env, day, decide):
    """Observations and what the steps of a day did."""
    observation, _ = env.reset(options={"day": day})
    seen, told, over = [], [], False
    while not over:
        seen.append(observation)
        observation, reward, terminated, over, info = decide(env, observation)
        assert not terminated and reward == -info["cost_eur"]
        told.append(info)
    return seen, told


def compare(told, rows, columns):
    assert len(told) == len(rows) == 96
    for info, row in zip(told, rows):
        assert info["time"] == row["time"]
        found = {name: float(info[name]) for name in columns}
        # Both sides print the shortest text that gives back the same bits.
        assert found == {name: float(row[name]) for name in columns}, info["time"]
        assert info["chp_on"] == (row["chp_on"] == "1")


def of_day(rows, day=DAY):
    return [row for row in rows if row["time"].startswith(day)]


@pytest.mark.parametrize("model", ["actor-10d", "actor-extended", "actor-forecast"])
def test_the_actions_of_a_model_step_a_day_as_the_gateway_does(trace, model):
    schema = model.removeprefix("actor-")
    rows = of_day(trace(model, *FLAGS, "--model", MODELS / model))
    network = memg_gym.load_model(MODELS / model)
    env = memg_gym.make("site-a", profile=PROFILE, observation=network)
    seen, told = lived(env, DAY, lambda env, observation: env.step(network.act(observation)))
    # What is requested of the action is what can be of it in the gateway; what is written is the same.
    compare(told, rows, [name for name in COLUMNS if not name.startswith("request_")])
    actions = [[float(row[f"action_{place}"]) for place in range(3)] for row in rows]
    assert [network.act(observation).tolist() for observation in seen] == actions
    if schema != "forecast":
        observed = of_day(trace(f"{model}-seen", *FLAGS, "--model", MODELS / model, "--observations", schema))
        numbers = [[float(row[f"observation_{place}"]) for place in range(len(seen[0]))] for row in observed]
        assert [list(map(short, observation)) for observation in seen] == numbers


def short(number):
    """The shortest decimal text of a float32, as a trace writes it."""
    return float(str(number))


@pytest.mark.parametrize("policy", ["rule", "plan", "seed", "idle", MODELS / "plan", MODELS / "actor-extended"])
def test_a_policy_steps_a_day_as_the_gateway_does(trace, policy):
    flag = "--policy" if isinstance(policy, str) else "--model"
    rows = of_day(trace(f"policy-{policy.name if flag == '--model' else policy}", *FLAGS, flag, policy))
    env = memg_gym.make("site-a", profile=PROFILE)
    decider = memg_gym.load_policy(policy)
    _, told = lived(env, DAY, lambda env, _: env.step_policy(decider))
    compare(told, rows, COLUMNS)


@pytest.mark.parametrize("site", ["battery-only", "chp-boiler", "pv-battery", "two-batteries-three-pvs-two-chps"])
def test_a_day_of_other_plants_steps_as_the_gateway_does(trace, site):
    file = SITES / f"{site}.toml"
    rows = of_day(trace(f"site-{site}", *FLAGS, "--policy", "rule", "--site", file))
    for name in (site, file):
        env = memg_gym.make(name, profile=PROFILE)
        rule = memg_gym.load_policy("rule", name)
        _, told = lived(env, DAY, lambda env, _: env.step_policy(rule))
        compare(told, rows, COLUMNS)


def test_an_evaluation_is_that_of_the_gateway():
    network = memg_gym.load_model(MODELS / "actor-10d")
    mine = memg_gym.Actor(network.act, observation=network, name="mine")
    folder = MODELS / "actor-10d"
    own, shipped, rule = memg_gym.evaluate([mine, folder, "rule"], profile=PROFILE, month_days="20-24", block_days=5)
    assert (own.pop("policy"), shipped.pop("policy"), rule["policy"]) == ("mine", "actor-10d", "rule")
    assert own == shipped and own["days"] == 60 and own["violations"] == 0
    assert round(shipped["cost_eur_per_day"], 2) == 89.56 and round(rule["cost_eur_per_day"], 2) == 92.34
