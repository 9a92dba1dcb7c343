"""Home Assistant's own schemas judge the announcement of a device: mosquitto_sub … | judge.py

Takes the payload of <discovery_prefix>/device/<id>/config. Every component is judged with what it shares with the others by its platform's
schema, as Home Assistant does it for announcements of single entities; what the schema would drop counts as wrong, too. Needs a Python
environment of its own (requirements.txt, 400 MB).
"""
import json
import sys

from homeassistant.components.mqtt import binary_sensor, button, number, select, sensor
from homeassistant.components.mqtt.abbreviations import ABBREVIATIONS, DEVICE_ABBREVIATIONS, ORIGIN_ABBREVIATIONS
from voluptuous import Invalid

PLATFORMS = {"binary_sensor": binary_sensor, "button": button, "number": number, "select": select, "sensor": sensor}
# Of the device's own announcement, not of an entity's.
WHOLE = {"cmps", "dev", "o"}
# Keys of later versions than the pinned one, the last that runs on Python 3.11; so is the announcement of a whole device (2024.11).
LATER = {"options": "2024.8"}


def spelled_out(keys, names):
    return {names.get(key, key): value for key, value in keys.items()}


def judge(component, shared):
    platform = PLATFORMS[component.pop("p")]
    told = {**shared, **spelled_out(component, ABBREVIATIONS)}
    kept = platform.DISCOVERY_SCHEMA(told)
    dropped = set(told) - set(kept) - set(LATER)
    if dropped:
        raise Invalid(f"unknown here: {', '.join(sorted(dropped))}")


def main():
    device = json.load(sys.stdin)
    shared = {key: value for key, value in spelled_out(device, ABBREVIATIONS).items() if key not in WHOLE}
    shared = {key: value for key, value in shared.items() if key not in ("components", "device", "origin")}
    shared["device"] = spelled_out(device["dev"], DEVICE_ABBREVIATIONS)
    shared["origin"] = spelled_out(device["o"], ORIGIN_ABBREVIATIONS)
    wrong = 0
    for name, component in device["cmps"].items():
        try:
            judge(dict(component), shared)
        except (Invalid, KeyError) as error:
            wrong += 1
            print(f"{name}: {error}")
    print(f"{len(device['cmps'])} components, {wrong} wrong")
    sys.exit(wrong > 0)


main()
