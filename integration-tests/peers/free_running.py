"""A small simulator that does not wait: it publishes measurements and follows the latest set-points, as a plant does.

    python free_running.py --port 1883 --speed 60 [--for 10]

The gateway's configuration for it is config/cosim-free.toml. Prints `hours soc battery_kw` a few times a second.
"""

import argparse
import json
import sys
import time

import paho.mqtt.client as mqtt

from lockstep_sim import CAPACITY_KWH, STEP_S, measurements

# paho-mqtt 2 asks which kind of callbacks is meant; what is used here is alike in both, and in 1.6.
CALLBACKS = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []

PERIOD_S = 0.2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="memg/lab", help="where the gateway publishes its set-points")
    parser.add_argument("--topic", default="lab/plant", help="where measurements go")
    parser.add_argument("--speed", type=float, default=60.0, help="plant seconds per second, as control.speed")
    parser.add_argument("--for", type=float, default=1e9, dest="seconds", help="wall time, s")
    options = parser.parse_args()
    wanted = {"battery_kw": 0.0}
    client = mqtt.Client(*CALLBACKS, client_id="free-running-simulator")
    client.on_connect = lambda client, *_: client.subscribe(f"{options.prefix}/setpoints", qos=1)
    client.on_message = lambda _client, _data, message: wanted.update(json.loads(message.payload))
    client.connect(options.host, options.port)
    client.loop_start()
    begin, soc, now = time.monotonic(), 0.5, 0.0
    while now < options.seconds:
        hours = now * options.speed / 3600
        # Noon, so that there is something to decide.
        values = measurements((12 + hours) * 3600 / STEP_S, soc)
        values |= {"battery_kw": wanted["battery_kw"], "import_price_eur_per_kwh": 0.15}
        client.publish(options.topic, json.dumps(values), qos=1)
        print(f"{hours:.3f} {soc:.4f} {wanted['battery_kw']}", flush=True)
        time.sleep(PERIOD_S)
        passed, now = time.monotonic() - begin - now, time.monotonic() - begin
        soc += wanted["battery_kw"] * passed * options.speed / 3600 / CAPACITY_KWH
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    sys.exit(main())
