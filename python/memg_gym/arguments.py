"""What users hand in, turned into what the Rust side takes: sites, profiles, views, actions."""

import os

import numpy as np
from gymnasium import spaces

from . import _core

# Observed numbers are of the order of 1. Prices may be 33 times the usual one and powers ten times their ratings before a profile is
# refused; beyond this only numbers of another plant's model could lie.
OBSERVATION_BOUND = 100.0


def site_of(site):
    """A `Site`, the name of a shipped one, or the path of a site file."""
    return site if isinstance(site, _core.Site) else _core.Site(os.fspath(site))


def profile_of(profile, site):
    """A `Profile`, or the path of a CSV file."""
    if profile is None:
        raise TypeError("profile: expected the path of a CSV file or a memg_gym.Profile, such as Profile.synthetic(30, seed, site)")
    return profile if isinstance(profile, _core.Profile) else _core.Profile(os.fspath(profile), site)


def view_of(observation, forecaster, site):
    """What is observed: a schema's name, or a model and then what that was trained to see."""
    from .models import Forecaster, Model

    if isinstance(observation, Model):
        if forecaster is not None:
            raise ValueError("forecaster: a model brings its own")
        return _core.View.of_model(observation._model, site)
    if forecaster is not None and not isinstance(forecaster, Forecaster):
        forecaster = Forecaster(forecaster, site=site)
    return _core.View(observation, site, forecaster and forecaster._forecaster)


def steps_of(episode_days, site):
    """Days of an episode in steps."""
    if not isinstance(episode_days, (int, np.integer)) or isinstance(episode_days, bool) or episode_days < 1:
        raise ValueError(f"episode_days: expected a whole number of at least 1, found {episode_days!r}")
    return int(episode_days) * site.steps_per_day


def observation_space(view, count=None):
    """Finite numbers of the order of 1; `count` of them one below the other."""
    shape = (len(view),) if count is None else (count, len(view))
    return spaces.Box(-OBSERVATION_BOUND, OBSERVATION_BOUND, shape, np.float32)


def action_space(count=None):
    """Battery, CHP and grid in [-1, 1]."""
    return spaces.Box(-1.0, 1.0, (3,) if count is None else (count, 3), np.float32)


def checked(action, shape):
    """An action of that shape whose numbers are finite. Beyond [-1, 1] the filter limits it, and says so."""
    try:
        action = np.asarray(action, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"action: expected numbers of shape {shape}, found {action!r}") from error
    if action.shape != shape:
        raise ValueError(f"action: expected shape {shape} (battery, CHP, grid), found {action.shape}")
    if not np.isfinite(action).all():
        raise ValueError(f"action: expected finite numbers in [-1, 1], found {action.tolist()}")
    return action


def array(data, dtype=np.float32, shape=(-1,)):
    """Bytes of the Rust side as an array of its own."""
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def core_seed(np_random):
    """A seed for the Rust side, from Gymnasium's generator."""
    return int(np_random.integers(2**63))


def only(options, known):
    """Options of a reset, of which none is unknown."""
    options = dict(options or {})
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"options: {unknown[0]!r} is unknown; expected {', '.join(known) or 'none'}")
    return options
