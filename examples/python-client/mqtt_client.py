"""Reads a gateway's state over MQTT and gives it signed commands (docs/commands.md).

    pip install paho-mqtt
    python3 mqtt_client.py --prefix memg/harbour state                      # the state once, as JSON
    python3 mqtt_client.py --prefix memg/harbour watch                      # a line for each state
    python3 mqtt_client.py --prefix memg/harbour --as anna --key-file anna.key send mode '{"mode": "manual"}'
    python3 mqtt_client.py --prefix memg/harbour --as anna --key-file anna.key send setpoint '{"battery_kw": -5, "chp_kw": 0}'
    python3 mqtt_client.py --prefix memg/harbour --as anna --key-file anna.key arm      # both steps

--ca-file, --cert-file and --cert-key-file encrypt the connection (docs/encryption.md). Status 1: rejected, 2: no answer.
"""

import argparse
import hashlib
import hmac
import json
import queue
import sys
import time
import uuid

import paho.mqtt.client as mqtt

# paho-mqtt 2 asks which kind of callbacks is meant; what is used here is alike in both, and in 1.6.
CALLBACKS = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
TTL_S = 30


def sealed(topic, principal, key, body):
    """The envelope of a command: who, when, for how long, and the MAC of exactly these bytes."""
    name, now_ms = uuid.uuid4().hex, time.time_ns() // 1_000_000
    text = "\n".join(["memg-command-v1", topic, principal, name, str(now_ms), str(TTL_S), body])
    mac = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {"principal": principal, "id": name, "time_unix_ms": now_ms, "ttl_s": TTL_S, "body": body, "mac": mac}


class Gateway:
    """A gateway behind a broker."""

    def __init__(self, options):
        self.prefix, self.wait_s, self.seen, ready = options.prefix, options.wait, queue.Queue(), queue.Queue()
        self.client = mqtt.Client(*CALLBACKS)
        if options.ca_file:
            self.client.tls_set(options.ca_file, options.cert_file, options.cert_key_file)
        topics = [(f"{self.prefix}/state", 1), (f"{self.prefix}/ack/+", 1)]
        self.client.on_connect = lambda client, *_: client.subscribe(topics)
        self.client.on_subscribe = lambda *_: ready.put(True)
        self.client.on_message = lambda _client, _data, message: self.seen.put((message.topic, json.loads(message.payload)))
        self.client.connect(options.host, options.port)
        self.client.loop_start()
        ready.get(timeout=self.wait_s)

    def states(self):
        """States as they come; the first is the retained one."""
        while True:
            topic, message = self.seen.get(timeout=self.wait_s)
            if topic == f"{self.prefix}/state":
                yield message

    def send(self, kind, body, principal, key):
        """Gives a command and returns the answer to it."""
        topic = f"{self.prefix}/command/{kind}"
        envelope = sealed(topic, principal, key, json.dumps(body))
        self.client.publish(topic, json.dumps(envelope), qos=1).wait_for_publish(self.wait_s)
        until = time.monotonic() + self.wait_s
        while True:
            topic, message = self.seen.get(timeout=max(0.0, until - time.monotonic()))
            if topic == f"{self.prefix}/ack/{kind}" and message["id"] == envelope["id"]:
                return message

    def arm(self, principal, key):
        """The challenge, then the confirmation with its nonce."""
        challenge = self.send("arm", {}, principal, key)
        if challenge["outcome"] != "challenge":
            return challenge
        return self.send("confirm", {"nonce": challenge["nonce"]}, principal, key)


def line(state):
    values = state["values"]
    told = [f"{name} {values[name]['value']}" for name in ("pv_kw", "electric_load_kw", "battery_kw", "soc", "grid_kw") if name in values]
    return f"{state['mode']}, decided by {state['decided_by']}: {', '.join(told)}"


def command(gateway, options):
    with open(options.key_file, encoding="utf-8") as file:
        key = file.read().removesuffix("\n").encode()
    if options.what == "arm":
        return gateway.arm(options.name, key)
    kind, body = options.words
    return gateway.send(kind, json.loads(body), options.name, key)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--wait", type=float, default=20.0, metavar="SECONDS", help="how long to wait for an answer")
    parser.add_argument("--as", dest="name")
    for option in ("--key-file", "--ca-file", "--cert-file", "--cert-key-file"):
        parser.add_argument(option)
    parser.add_argument("what", choices=["state", "watch", "send", "arm"])
    parser.add_argument("words", nargs="*", help="of send: kind and body")
    options = parser.parse_args()
    try:
        gateway = Gateway(options)
        if options.what == "state":
            print(json.dumps(next(gateway.states())))
        elif options.what == "watch":
            for state in gateway.states():
                print(line(state), flush=True)
        else:
            answer = command(gateway, options)
            print(json.dumps(answer))
            sys.exit(1 if answer["outcome"] == "rejected" else 0)
    except (queue.Empty, OSError) as error:
        print(f"no answer {error}".strip(), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
