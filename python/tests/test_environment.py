"""Gymnasium's contract: spaces, seeds, episodes, rewards, and clear errors for what cannot be meant."""

import warnings

import gymnasium
import numpy as np
import pytest
from conftest import MODELS, PROFILE, SITES
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import memg_gym

LENGTHS = {"10d": 10, "extended": 58, "forecast": 86}


@pytest.fixture(scope="module")
def site():
    return memg_gym.Site("site-a")


@pytest.fixture(scope="module")
def profile(site):
    return memg_gym.Profile(PROFILE.as_posix(), site)


def episode(env, decide=None):
    """Rewards and infos of an episode that has begun."""
    rewards, infos, over = [], [], False
    while not over:
        action = env.action_space.sample() if decide is None else decide()
        observation, reward, terminated, over, info = env.step(action)
        assert observation in env.observation_space and not terminated
        rewards.append(reward)
        infos.append(info)
    return rewards, infos


@pytest.mark.parametrize("observation", LENGTHS)
def test_gymnasiums_checker_is_content(profile, observation):
    env = memg_gym.make("site-a", profile=profile, observation=observation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)
    assert env.observation_space.shape == (LENGTHS[observation],) and env.action_space.shape == (3,)


def test_gymnasium_makes_it_by_its_name():
    env = gymnasium.make("memg_gym/Microgrid-v0", site="site-a", profile=PROFILE, episode_days=2)
    env.reset(seed=1)
    assert len(episode(env)[0]) == 192


def test_the_same_seed_gives_the_same_episode_and_another_another(profile):
    def begun(seed):
        env = memg_gym.make("site-a", profile=profile)
        observation, info = env.reset(seed=seed)
        return observation.tolist(), info, [env.step(np.full(3, 0.2))[1] for _ in range(20)]

    assert begun(5) == begun(5) != begun(6)


def test_episodes_follow_each_other_with_one_seed(profile):
    env = memg_gym.make("site-a", profile=profile)
    begun = [env.reset(seed=5)[1]["time"]] + [env.reset()[1]["time"] for _ in range(3)]
    again = [env.reset(seed=5)[1]["time"]] + [env.reset()[1]["time"] for _ in range(3)]
    assert begun == again and len(set(begun)) == 4


def test_episodes_begin_in_the_asked_days_alone(profile):
    env = memg_gym.make("site-a", profile=profile, month_days="20-22,24")
    begun = [env.reset(seed=seed)[1]["time"] for seed in range(60)]
    # An episode of a day that lies within days 20 to 22 may begin up to the midnight before the last.
    assert {int(time[8:10]) for time in begun} == {20, 21, 24}
    assert all("T00:00" in time for time in begun if time[8:10] == "24")


def test_the_end_of_an_episode_is_a_truncation_and_a_step_behind_it_is_refused(profile):
    env = memg_gym.make("site-a", profile=profile, episode_days=2)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(np.zeros(3))
    env.reset(seed=1)
    assert len(episode(env)[0]) == 192
    for step in (lambda: env.step(np.zeros(3)), lambda: env.step_policy(memg_gym.load_policy("rule"))):
        with pytest.raises(ResetNeeded, match="reset"):
            step()


def test_a_day_may_be_asked_for_up_to_the_profiles_very_last_row(profile):
    env = memg_gym.make("site-a", profile=profile)
    last = profile.days[-1]
    _, info = env.reset(options={"day": last, "soc": 0.8})
    assert info["time"].startswith(f"{last}T00:00") and info["soc"] == 0.8
    rewards, infos = episode(env)
    assert len(rewards) == 96 and infos[-1]["time"].startswith(f"{last}T23:45")


def test_the_reward_is_the_cost_and_what_is_charged_for_wishes_against_rules(profile):
    plain = memg_gym.make("site-a", profile=profile)
    strict = memg_gym.make("site-a", profile=profile, constraint_weight=2.0)
    for env in (plain, strict):
        env.reset(seed=3)
    actions = iter(np.random.default_rng(1).uniform(-1, 1, (96, 3)))
    costs = []
    for action in actions:
        _, reward, _, _, info = plain.step(action)
        _, charged, _, _, same = strict.step(action)
        assert reward == -info["cost_eur"] and info == same
        assert charged == -info["cost_eur"] - 2.0 * info["violations_requested"]
        costs.append(info["violations_requested"])
    assert 0 < sum(costs)
    averse = memg_gym.make("site-a", profile=profile, risk_weight=1.0, risk_alpha=0.9)
    averse.reset(seed=3)
    rewards, infos = episode(averse)
    assert sum(rewards) < -sum(info["cost_eur"] for info in infos)


def test_no_wild_action_breaks_a_hard_limit_and_every_clamp_is_explained(profile):
    env = memg_gym.make("site-a", profile=profile, episode_days=5, render_mode="ansi")
    env.reset(seed=4)
    wild = np.random.default_rng(2)
    rewards, infos = episode(env, lambda: wild.choice([-1.0, 1.0, -30.0, 30.0], 3))
    assert all(info["violations"] == 0 for info in infos)
    assert any(info["clamps"] for info in infos)
    for info in infos:
        assert bool(info["clamps"]) == bool(info["explanation"])
        assert all(clamp["rule"] in info["explanation"] for clamp in info["clamps"])
    assert "EUR" in env.render()


@pytest.mark.parametrize("name", memg_gym.Site.shipped())
def test_every_shipped_site_has_observations_in_its_space(name):
    for observation in LENGTHS:
        env = memg_gym.make(name, profile=PROFILE, observation=observation, episode_days=20)
        first, _ = env.reset(seed=7)
        assert first in env.observation_space
        episode(env)


def test_a_vector_steps_as_its_members_do_one_by_one(profile):
    count = 3
    vector = memg_gym.make_vec("site-a", num_envs=count, profile=profile, observation="extended")
    single = [memg_gym.make("site-a", profile=profile, observation="extended") for _ in range(count)]
    seen, _ = vector.reset(seed=[11, 12, 13])
    assert seen.tolist() == [env.reset(seed=11 + place)[0].tolist() for place, env in enumerate(single)]
    actions = np.random.default_rng(3).uniform(-1, 1, (96, count, 3))
    for step, action in enumerate(actions):
        seen, rewards, terminated, truncated, infos = vector.step(action)
        each = [env.step(one) for env, one in zip(single, action)]
        assert seen.tolist() == [one[0].tolist() for one in each] and rewards.tolist() == [one[1] for one in each]
        assert infos["cost_eur"].tolist() == [one[4]["cost_eur"] for one in each]
        assert truncated.tolist() == [step == 95] * count and not terminated.any()
    # The next step begins the next episodes, whatever the actions are.
    seen, rewards, _, truncated, _ = vector.step(actions[0])
    assert not rewards.any() and not truncated.any() and seen in vector.observation_space
    assert vector.step(actions[0])[1].all()


def test_a_vector_repeats_itself_with_one_seed_and_gymnasium_makes_it(profile):
    def begun():
        vector = gymnasium.make_vec(
            "memg_gym/Microgrid-v0", num_envs=4, vectorization_mode="vector_entry_point", site="site-a", profile=PROFILE
        )
        first, _ = vector.reset(seed=1)
        return first.tolist(), [vector.step(np.zeros((4, 3)))[1].tolist() for _ in range(100)]

    assert begun() == begun()


def test_what_cannot_be_meant_is_refused_with_what_was_expected(profile, tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text((SITES / "site-a.toml").read_text().replace("soc_min = 0.1", "soc_min = 1.1"))
    text = tmp_path / "profile.csv"
    text.write_text("time,pv_kw\n2016-01-01T00:00:00+01:00,1\n")

    def made(site="site-a", **arguments):
        return lambda: memg_gym.make(site, **{"profile": profile, **arguments})

    cases = [
        (made("site-b"), ValueError, "did you mean \"site-a\""),
        (made("nowhere.toml"), FileNotFoundError, "nowhere.toml"),
        (made(broken), ValueError, r"broken.toml:\d+: plant.battery.soc_min: expected"),
        (made(profile=None), TypeError, "profile: expected"),
        (made(profile="nowhere.csv"), FileNotFoundError, "nowhere.csv"),
        (made(profile=text), ValueError, "profile.csv: line 1, wind_kw: expected a column"),
        (made(observation="11d"), ValueError, "expected 10d, extended, forecast"),
        (made(forecaster="nowhere"), FileNotFoundError, "nowhere"),
        (made(month_days="40-50"), ValueError, "month_days: expected days"),
        (made(month_days="twenty"), ValueError, "month_days: expected days"),
        (made(episode_days=0), ValueError, "episode_days: expected"),
        (made(episode_days=1.5), ValueError, "episode_days: expected"),
        (made(constraint_weight=-1.0), ValueError, "constraint_weight"),
        (made(risk_alpha=1.0), ValueError, "risk_alpha"),
        (made(render_mode="human"), ValueError, "render_mode"),
        (lambda: memg_gym.load_model(MODELS / "nothing"), FileNotFoundError, "nothing"),
        (lambda: memg_gym.load_model(MODELS / "plan"), ValueError, "load_policy"),
        (lambda: memg_gym.load_model(f"ort:{MODELS / 'actor-10d'}"), RuntimeError, "ort"),
        (lambda: memg_gym.load_policy("best"), ValueError, "names no policy"),
        (lambda: memg_gym.Forecaster(MODELS / "actor-10d"), ValueError, "holds no forecaster"),
    ]
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()


def test_wrong_actions_and_options_are_refused_and_change_nothing(profile):
    env, other = (memg_gym.make("site-a", profile=profile) for _ in range(2))
    for one in (env, other):
        one.reset(seed=9)
    for action in (np.zeros(2), np.zeros((1, 3)), [0.0, float("nan"), 0.0], [0.0, 0.0, float("inf")], "charge", None):
        with pytest.raises(ValueError, match="action: expected"):
            env.step(action)
    assert env.step(np.zeros(3))[4] == other.step(np.zeros(3))[4]
    for options, words in [
        ({"dya": 1}, "'dya' is unknown"),
        ({"soc": 0.5}, "'soc' stands without 'day'"),
        ({"day": "2015-01-01"}, "day: expected one of 2016"),
        ({"day": "2016-12-31", "days": 400}, "days: expected 1 to"),
        ({"day": "2016-01-20", "soc": 2.0}, "soc: expected"),
        ({"day": "2016-01-20", "soc": float("nan")}, "soc: expected"),
    ]:
        with pytest.raises(ValueError, match=words):
            env.reset(options=options)
    vector = memg_gym.make_vec("site-a", num_envs=2, profile=profile)
    with pytest.raises(ResetNeeded):
        vector.step(np.zeros((2, 3)))
    vector.reset(seed=1)
    with pytest.raises(ValueError, match=r"expected shape \(2, 3\)"):
        vector.step(np.zeros(3))
    with pytest.raises(ValueError, match="seed: expected one number or 2"):
        vector.reset(seed=[1])
