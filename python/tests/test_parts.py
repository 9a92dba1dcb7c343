"""Filter, planner, forecaster, models and evaluation by themselves."""

import numpy as np
import pytest
from conftest import MODELS, PROFILE

import memg_gym


def test_the_filter_lets_pass_what_may_be_and_says_what_may_not():
    safety = memg_gym.SafetyFilter(memg_gym.Site("site-a"))
    fine = safety.filter(5.0, 0.0, soc=0.5, electric_load_kw=40.0)
    assert (fine["battery_kw"], fine["chp_kw"], fine["clamps"], fine["relaxation_stage"]) == (5.0, 0.0, [], 0)
    fast = safety.filter(50.0, 0.0, soc=0.5, electric_load_kw=40.0)
    assert fast["battery_kw"] == 10.0 and "ramp" in fast["explanation"]
    narrow = safety.filter(10.0, 0.0, soc=0.5, electric_load_kw=40.0, import_kw_max=30.0)
    assert narrow["battery_kw"] <= -10.0


def test_the_filter_has_an_answer_for_every_input():
    safety = memg_gym.SafetyFilter(memg_gym.Site("site-a"))
    for wish in (float("nan"), float("inf"), -1e300):
        found = safety.filter(wish, wish, wish, soc=0.5, electric_load_kw=40.0)
        assert -50.0 <= found["battery_kw"] <= 50.0 and 0.0 <= found["chp_kw"] <= 80.0 and found["clamps"]
    lost = safety.filter(5.0, 0.0, soc=float("nan"), electric_load_kw=40.0)
    assert (lost["relaxation_stage"], lost["battery_kw"], lost["renewable_limit_kw"]) == (6, 0.0, 0.0)
    with pytest.raises(ValueError, match="battery_kw_before"):
        safety.filter(0.0, 0.0, soc=0.5, electric_load_kw=40.0, battery_kw_before=float("nan"))


def test_a_planner_plans_on_its_forecaster_and_says_why():
    env = memg_gym.make("site-a", profile=PROFILE)
    for name in ("plan", MODELS / "plan"):
        planner = memg_gym.load_policy(name)
        env.reset(options={"day": "2016-06-20"})
        assert planner.plan is None
        env.step_policy(planner)
        plan = planner.plan
        assert planner.name == "plan" and "the CHP" in plan["reason"] and len(plan["soc"]) >= 35
        assert all(0.09 <= soc <= 0.91 for soc in plan["soc"])
    rule = memg_gym.load_policy("rule")
    env.step_policy(rule)
    assert rule.plan is None


def test_forecasts_begin_with_what_is_measured_and_know_published_prices():
    env = memg_gym.make("site-a", profile=PROFILE)
    env.reset(options={"day": "2016-06-20", "days": 2})
    sources = ("persistence", MODELS / "plan", MODELS / "actor-forecast")
    told = [env.forecast(memg_gym.Forecaster(source), hours=24) for source in sources]
    assert {len(values) for ahead in told for values in ahead.values()} == {96}
    load = [ahead["electric_load_kw"].tolist() for ahead in told]
    assert load[0][0] == load[1][0] and load[0] != load[1], "the present is measured, what follows is guessed"
    lived, over = [], False
    while not over:
        *_, over, info = env.step(np.array([0.0, -1.0, 0.0]))
        lived.append(info["import_price"])
    for ahead in told:
        # Today's prices are published.
        assert ahead["import_price_eur_per_kwh"].tolist() == lived[:96]


def test_a_model_acts_on_one_observation_as_on_a_batch_and_refuses_others():
    for name, length in (("actor-10d", 10), ("actor-extended", 58), ("actor-forecast", 86)):
        network = memg_gym.load_model(MODELS / name)
        batch = np.random.default_rng(1).uniform(0, 1, (5, length)).astype(np.float32)
        actions = network.act(batch)
        assert actions.shape == (5, 3) and np.abs(actions).max() <= 1.0
        assert [network.act(one).tolist() for one in batch] == actions.tolist()
        for wrong in (batch[:, 1:], np.zeros(length - 1), np.full(length, np.nan)):
            with pytest.raises(ValueError, match="observation: expected"):
                network.act(wrong)
        assert "sha256" in network.manifest and network.name == name


def test_golden_outputs_of_a_folder_are_reproduced():
    lines = (MODELS / "actor-10d" / "golden.csv").read_text().splitlines()
    numbers = np.array([[float(cell) for cell in line.split(",")] for line in lines if line[0] in "-0123456789"])
    assert len(numbers) > 10 and numbers.shape[1] == 13
    found = memg_gym.load_model(MODELS / "actor-10d").act(numbers[:, :10])
    assert np.abs(found - numbers[:, 10:]).max() <= 1e-5


def test_a_function_that_fails_or_answers_nonsense_ends_the_evaluation_with_its_words():
    site = memg_gym.Site("site-a")
    profile = memg_gym.Profile.synthetic(2, 1, site)

    def judged(function):
        return memg_gym.evaluate(memg_gym.Actor(function, name="mine"), profile=profile)

    def broken(observation):
        raise KeyError("no such layer")

    with pytest.raises(RuntimeError, match="no such layer"):
        judged(broken)
    for answer in (np.zeros(2), [float("nan")] * 3):
        with pytest.raises(RuntimeError, match="action: expected"):
            judged(lambda observation: answer)
    (fine,) = judged(lambda observation: np.array([0.0, -1.0, 0.0]))
    assert fine["days"] == 2 and fine["violations"] == 0


def test_a_comparison_holds_the_rules_and_the_bound():
    site = memg_gym.Site("site-a")
    profile = memg_gym.Profile.synthetic(2, 1, site)
    found = memg_gym.evaluate("plan", profile=profile, bound=True)
    regrets = {policy["policy"]: policy["regret_to_rule"] for policy in found["policies"]}
    assert list(regrets) == ["idle", "seed", "rule", "plan"]
    assert regrets["rule"] == pytest.approx(1.0) and 0.0 <= regrets["plan"] < 1.0
    assert "lower bound" in found["optimum"]["kind"]
