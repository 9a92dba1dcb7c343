"""The gateway in lock-step over MQTT, for simulations in Python (docs/simulation-interfaces.md): the simulation keeps the time.

    with Controller("127.0.0.1", 1883, "memg/lab/cosim") as controller:
        controller.start(step_s=900)
        setpoints = controller.step({"pv_kw": 12.0, "soc": 0.5, …})      # once a step, in order
        summary = controller.stop()

Needs paho-mqtt. The gateway runs with config/cosim.toml: `gateway run config/cosim.toml`.
"""

import json
import queue
import socket
import time

import paho.mqtt.client as mqtt

# paho-mqtt 2 asks which kind of callbacks is meant; what is used here is alike in both, and in 1.6.
CALLBACKS = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
ANSWER_WITHIN_S = 20
START_TRIES = 20
ANSWERS = {"start": "ready", "meas": "setp", "stop": "summary"}


class Refused(Exception):
    """The gateway answered with an error."""


class Controller:
    def __init__(self, host, port, prefix):
        self.prefix, self.seen, ready = prefix, queue.Queue(), queue.Queue()
        self.client = mqtt.Client(*CALLBACKS)
        self.client.on_connect = lambda client, *_: client.subscribe([(f"{prefix}/{topic}", 1) for topic in ANSWERS.values()])
        self.client.on_subscribe = lambda *_: ready.put(True)
        self.client.on_message = lambda _client, _data, message: self.seen.put((message.topic, json.loads(message.payload)))
        # Small messages wait 40 ms where Nagle's algorithm is on.
        self.client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.connect(host, port)
        self.client.loop_start()
        ready.get(timeout=ANSWER_WITHIN_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def start(self, step_s):
        """Begins a run at simulated time 0; repeated, because the gateway may still be on its way to the broker."""
        self.run, self.step_s, self.k = f"run-{time.time_ns()}", step_s, 0
        self.ask("start", {"t0": 0, "dt_s": step_s}, tries=START_TRIES)

    def step(self, measurements):
        """The set-points of this step, for as long as it lasts. NaN or a missing value gives a hold, not an error."""
        answer = self.ask("meas", {"k": self.k, "t": self.k * self.step_s, "v": measurements})
        self.k += 1
        return answer["v"]

    def stop(self):
        return self.ask("stop", {})

    def ask(self, topic, message, tries=1):
        text = json.dumps({"sid": self.run} | message)
        for left in reversed(range(tries)):
            self.client.publish(f"{self.prefix}/{topic}", text, qos=1)
            try:
                answer = self.answer(ANSWERS[topic], 1 if left else ANSWER_WITHIN_S)
            except queue.Empty:
                continue
            if answer["status"] == "error":
                raise Refused(answer)
            return answer
        raise TimeoutError(f"no answer to {topic}; is the gateway running?")

    def answer(self, wanted, within_s):
        until = time.monotonic() + within_s
        while True:
            topic, message = self.seen.get(timeout=max(0.0, until - time.monotonic()))
            if topic == f"{self.prefix}/{wanted}" and message.get("sid") == self.run:
                return message
