"""Reads the operator's station and commands through it, with Python's standard library alone.

    station.py URL state                                  # all of it, as JSON
    station.py URL state mode.now points.soc.value        # some of it, a line each
    station.py URL wait mode.now=shadow                   # until it is so, at most two minutes
    station.py URL wait "points.battery_kw.value>9"
    station.py URL --as anna --password-file FILE arm     # both steps; prints what to look at, then the answer
    station.py URL --as anna --password-file FILE command manual
    station.py URL --as anna --password-file FILE command '{"setpoints": {"battery_kw": -5, "chp_kw": 0}}'

Commands need a person: log-in, then a cookie, and the Origin of the station itself. Status 1: it was rejected.
"""

import argparse
import http.cookiejar
import json
import re
import ssl
import sys
import time
import urllib.error
import urllib.request

WAIT_S = 120


class Station:
    """One station, as one person or as nobody."""

    def __init__(self, url, ca_file=None):
        self.url = url.rstrip("/")
        tls = ssl.create_default_context(cafile=ca_file)
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=tls))

    def ask(self, path, body=None):
        """GET, or POST with a body; the answer's JSON, None where there is none."""
        headers = {"Origin": self.url, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data=data, headers=headers)
        with self.opener.open(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def log_in(self, name, password):
        self.ask("session", {"name": name, "password": password})

    def state(self):
        return self.ask("state")

    def command(self, body, confirm=None):
        return self.ask("commands", {"body": body} | ({"confirm": confirm} if confirm else {}))

    def arm(self):
        """First step, which says what to look at; second step with its token."""
        first = self.ask("arm", {})
        print(json.dumps(first["review"]))
        return self.command("arm", confirm=first["token"])


def value(state, path):
    """What stands at a dotted path, `mode.now`."""
    for part in path.split("."):
        state = (state or {}).get(part)
    return state


def holds(state, condition):
    path, sign, wanted = re.fullmatch(r"([\w.]+)([=<>])(.*)", condition).groups()
    found = value(state, path)
    if sign == "=" or found is None:
        return str(found) == wanted
    return found > float(wanted) if sign == ">" else found < float(wanted)


def wait(station, condition):
    """Until a condition holds."""
    until = time.monotonic() + WAIT_S
    while not holds(station.state(), condition):
        if time.monotonic() > until:
            sys.exit(f"not {condition} within {WAIT_S} s: {json.dumps(station.state())}")
        time.sleep(0.5)
    print(condition)


def show(state, paths):
    print("\n".join(f"{path} {value(state, path)}" for path in paths) or json.dumps(state))


def body(word):
    return json.loads(word) if word.startswith("{") else word


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--as", dest="name")
    parser.add_argument("--password-file")
    parser.add_argument("--ca-file", help="authority of the station's certificate, for https")
    parser.add_argument("what", choices=["state", "wait", "arm", "command"])
    parser.add_argument("words", nargs="*", help="of state: paths; of wait: a condition; of command: a word or JSON")
    chosen = parser.parse_args()
    station = Station(chosen.url, chosen.ca_file)
    try:
        if chosen.name:
            with open(chosen.password_file, encoding="utf-8") as file:
                station.log_in(chosen.name, file.read().removesuffix("\n"))
        if chosen.what == "state":
            show(station.state(), chosen.words)
        elif chosen.what == "wait":
            wait(station, *chosen.words)
        else:
            answer = station.arm() if chosen.what == "arm" else station.command(*map(body, chosen.words))
            print(json.dumps(answer))
            sys.exit(1 if answer["outcome"] == "rejected" else 0)
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode()}")


if __name__ == "__main__":
    main()
