"""Somebody at the station over HTTPS, with Python's own TLS: `station_https.py HOST:PORT CA.pem`.

A line in, a line of JSON out: `get PATH`, `post PATH BODY`, `trusting CA.pem` (of another authority), `plain` (no TLS).
The cookie of a log-in is kept as a browser keeps it: only over TLS, and what it says of itself is told.
"""

import http.client
import json
import ssl
import sys

place, authority = sys.argv[1:]
cookie = None


def ask(method, path, body="", trusted=authority, tls=True):
    global cookie
    context = ssl.create_default_context(cafile=trusted)
    host, port = place.split(":")
    there = (
        http.client.HTTPSConnection(host, int(port), timeout=20, context=context)
        if tls
        else http.client.HTTPConnection(host, int(port), timeout=20)
    )
    headers = {"Origin": f"https://{place}", "Content-Type": "application/json"}
    if cookie:
        headers["Cookie"] = cookie
    there.request(method, path, body, headers)
    answer = there.getresponse()
    set_cookie = answer.getheader("Set-Cookie")
    if set_cookie:
        cookie = set_cookie.split(";")[0]
    version = there.sock.version() if tls and there.sock else None
    text = answer.read().decode()
    return {"status": answer.status, "body": text, "cookie": set_cookie, "tls": version}


print(f"READY {place}", flush=True)
for line in sys.stdin:
    verb, _, rest = line.strip().partition(" ")
    try:
        if verb == "post":
            path, _, body = rest.partition(" ")
            told = ask("POST", path, body)
        elif verb == "trusting":
            told = ask("GET", "/healthz", trusted=rest)
        elif verb == "plain":
            told = ask("GET", "/healthz", tls=False)
        else:
            told = ask("GET", rest)
    except (OSError, http.client.HTTPException) as error:
        told = {"error": type(error).__name__}
    print(json.dumps(told), flush=True)
