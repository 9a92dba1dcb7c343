"""A small simulator that drives the controller in lock-step over MQTT, as an example and as a foreign test peer.

It owns the clock: it measures, waits for the set-points of the same step, applies them to its battery, and only then goes
on. Besides that it tries two things a real run meets: a message that arrives twice, and a sensor that gives NaN.

    python lockstep_sim.py --port 1883 --prefix memg/site/cosim --steps 96

Small packets in both directions are what Nagle's algorithm delays most: 40 ms a hop. This side switches it off itself; for
the broker's side mosquitto.conf needs `set_tcp_nodelay true`.

The last line of output is the controller's summary as JSON; the exit status is 0 if every answer was right.
"""

import argparse
import json
import math
import queue
import socket
import sys
import time

import paho.mqtt.client as mqtt

# paho-mqtt 2 asks which kind of callbacks is meant; what is used here is alike in both, and in 1.6.
CALLBACKS = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
STEP_S = 900
CAPACITY_KWH = 100.0
ANSWER_WITHIN_S = 10
START_TRIES = 20
# What is answered on which topic.
ANSWERS = {"start": "ready", "meas": "setp", "stop": "summary", "villas/in": "villas/out"}


class Controller:
    """The controller at the other end of the broker: ask, and wait for the answer."""

    def __init__(self, host, port, prefix):
        self.prefix = prefix
        self.answers = queue.Queue()
        self.subscribed = queue.Queue()
        self.client = mqtt.Client(*CALLBACKS, client_id="lockstep-simulator")
        self.client.on_connect = lambda client, *_: client.subscribe([(f"{prefix}/{t}", 1) for t in ANSWERS.values()])
        self.client.on_subscribe = lambda *_: self.subscribed.put(True)
        self.client.on_message = lambda _client, _data, message: self.answers.put((message.topic, message.payload))
        self.client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.connect(host, port)
        self.client.loop_start()
        self.subscribed.get(timeout=ANSWER_WITHIN_S)

    def ask(self, topic, message, tries=1):
        """Sends a message and returns the raw answer. With several tries the message is repeated every second."""
        # json.dumps writes NaN bare, which is not JSON; the controller takes it for a missing value.
        text = json.dumps(message)
        for left in reversed(range(tries)):
            self.client.publish(f"{self.prefix}/{topic}", text, qos=1)
            try:
                return self.answer(f"{self.prefix}/{ANSWERS[topic]}", 1 if left else ANSWER_WITHIN_S)
            except queue.Empty:
                if not left:
                    raise TimeoutError(f"no answer to {topic} within {ANSWER_WITHIN_S} s; is the gateway running?")

    def answer(self, wanted, within_s):
        """The next message of a topic; others are passed over."""
        until = time.monotonic() + within_s
        while True:
            topic, payload = self.answers.get(timeout=max(0.0, until - time.monotonic()))
            if topic == wanted:
                return payload

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def measurements(k, soc):
    """A day: sun from 6 to 18 o'clock, a load that peaks in the evening, a light breeze."""
    hour = (k * STEP_S / 3600) % 24
    pv_kw = 60 * max(0.0, math.sin(math.pi * (hour - 6) / 12))
    load_kw = 30 + 20 * math.exp(-((hour - 19) ** 2) / 8)
    return {"pv_kw": pv_kw, "wind_kw": 5.0, "electric_load_kw": load_kw, "heat_load_kw": 20.0, "soc": soc}


def run_day(controller, steps):
    """Runs the day and returns the summary and the times of the ticks in ms."""
    sid = f"day-{int(time.time() * 1000)}"
    # Repeated, because the gateway may not have reached the broker yet; a start that comes twice does no harm.
    ready = json.loads(controller.ask("start", {"sid": sid, "t0": 0, "dt_s": STEP_S}, tries=START_TRIES))
    assert ready["status"] == "ok", ready
    soc, ticks_ms = 0.5, []
    for k in range(steps):
        values = measurements(k, soc)
        if k == steps // 2:
            values["pv_kw"] = float("nan")
        message = {"sid": sid, "k": k, "t": k * STEP_S, "v": values}
        begin = time.perf_counter()
        raw = controller.ask("meas", message)
        ticks_ms.append(1e3 * (time.perf_counter() - begin))
        answer = json.loads(raw)
        assert (answer["sid"], answer["k"], answer["t"]) == (sid, k, k * STEP_S), answer
        assert answer["status"] == ("hold" if k == steps // 2 else "ok"), answer
        if k == 1:
            assert controller.ask("meas", message) == raw, "the same message must get the same bytes"
        # A battery is empty or full, whatever it is told.
        soc = min(1.0, max(0.0, soc + answer["v"]["battery_kw"] * STEP_S / 3600 / CAPACITY_KWH))
    return json.loads(controller.ask("stop", {"sid": sid})), sorted(ticks_ms)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="memg/site/cosim")
    parser.add_argument("--steps", type=int, default=96)
    options = parser.parse_args()
    controller = Controller(options.host, options.port, options.prefix)
    summary, ticks_ms = run_day(controller, options.steps)
    controller.close()
    p50, p99 = (ticks_ms[int(share * (len(ticks_ms) - 1))] for share in (0.5, 0.99))
    print(f"{len(ticks_ms)} ticks from Python: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    print(json.dumps(summary))


if __name__ == "__main__":
    sys.exit(main())
