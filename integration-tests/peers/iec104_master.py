"""A master of IEC 60870-5-104 on c104. Arguments: port, and for TLS authority, certificate and key (PEM files).

Prints "READY <port>" when it is connected, "READY no" when it is not within ten seconds. Then one line of JSON for each command:

    interrogate             a general interrogation: whether it was confirmed, and how many points there are
    counters                a counter interrogation: whether it was confirmed
    clock                   a clock synchronisation: whether it was confirmed
    test                    a test command: whether it was confirmed
    point IOA               value, quality, time, type and cause of a point as told last; null if it was never told
    read IOA                whether a read command brought the point
    float IOA VALUE [select]    a set-point: whether it was accepted; with select as the standard's two steps
    scaled IOA VALUE [select]   the same, as a whole number
    single IOA VALUE [select]   a single command
    station CA              an interrogation of another station: whether it was confirmed
    connected               whether the connection stands
"""

import contextlib
import json
import math
import socket
import ssl
import struct
import sys
import threading
import time

import c104

STATION = 7
seen = {}
# Interrogations that were terminated.
ended = []

# Octets of an object after its address, and the place of its quality. c104's own points have one type each, while the standard has
# types without time for interrogations and with time for changes: so objects are read from the octets that c104 hands over.
SIZES = {1: 1, 11: 3, 13: 5, 15: 5, 30: 8, 35: 10, 36: 12}


def content(kind, octets):
    """Value, quality and time of an object."""
    if kind in (1, 30):
        value, quality = octets[0] & 1, octets[0] & 0xF0
    elif kind in (11, 35):
        value, quality = struct.unpack("<h", octets[:2])[0], octets[2]
    elif kind == 15:
        value, quality = struct.unpack("<i", octets[:4])[0], octets[4]
    else:
        value, quality = struct.unpack("<f", octets[:4])[0], octets[4]
    return {
        "value": None if math.isnan(value) else float(value),
        "invalid": bool(quality & 0x80),
        "not_topical": bool(quality & 0x40),
        "time": moment(octets[-7:]) if kind >= 30 else None,
    }


def moment(tag):
    ms, minute, hour, day, month, year = struct.unpack("<HBBBBB", bytes(tag))
    return [2000 + year, month & 15, day & 31, hour & 31, minute & 63, ms]


def on_receive_raw(connection: c104.Connection, data: bytes) -> None:
    told = c104.explain_bytes_dict(apdu=data)
    kind = data[6] if told["format"] == "I" else 0
    if kind == 100 and told["cot"] == c104.Cot.ACTIVATION_TERMINATION:
        ended.append(told)
    if kind not in SIZES:
        return
    step = 3 + SIZES[kind]
    for start in range(12, len(data) - step + 1, step):
        address = int.from_bytes(data[start : start + 3], "little")
        about = content(kind, data[start + 3 : start + step])
        seen[address] = {**about, "type": told["type"].name, "cause": told["cot"].name}


def pipe(source, target):
    """Octets from one socket to another, until one of them ends."""
    try:
        while octets := source.recv(4096):
            target.sendall(octets)
    except OSError:
        pass
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def relay(port, files):
    """A port behind which TLS leads to the station: c104's own refuses every server, because it is given no host name to verify."""
    authority, certificate, key = files
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            plain, _ = listener.accept()
            try:
                sealed = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
            except OSError:
                plain.close()
                continue
            for ends in ((plain, sealed), (sealed, plain)):
                threading.Thread(target=pipe, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


class Master:
    def __init__(self, port):
        self.client = c104.Client(tick_rate_ms=50, command_timeout_ms=8000)
        self.connection = self.client.add_connection(ip="127.0.0.1", port=port, init=c104.Init.NONE)
        self.connection.on_receive_raw(callable=on_receive_raw)
        self.station = self.connection.add_station(common_address=STATION)
        self.client.start()
        until = time.monotonic() + 10
        # Open, and data started.
        while self.connection.state != c104.ConnectionState.OPEN and time.monotonic() < until:
            if not self.connection.is_connected:
                self.connection.connect()
            elif self.connection.state == c104.ConnectionState.OPEN_MUTED:
                # Now and then c104 forgets to start data by itself.
                self.connection.unmute()
            time.sleep(0.1)

    def interrogate(self):
        """Until it is terminated; c104 waits for the confirmation alone."""
        before = len(ended)
        accepted = self.connection.interrogation(common_address=STATION)
        until = time.monotonic() + 5
        while accepted and len(ended) == before and time.monotonic() < until:
            time.sleep(0.02)
        return {"accepted": accepted and len(ended) > before, "points": len(seen)}

    def command(self, kind, address, value, how):
        self.station.remove_point(io_address=address)
        point = self.station.add_point(io_address=address, type=kind)
        select = c104.CommandMode.SELECT_AND_EXECUTE if how == ["select"] else c104.CommandMode.DIRECT
        point.command_mode = select
        point.value = value
        return point.transmit(cause=c104.Cot.ACTIVATION)

    def answer(self, verb, rest):
        connection = self.connection
        if verb == "interrogate":
            return self.interrogate()
        if verb == "counters":
            return {"accepted": connection.counter_interrogation(common_address=STATION)}
        if verb == "clock":
            return {"accepted": connection.clock_sync(common_address=STATION)}
        if verb == "test":
            return {"accepted": connection.test(common_address=STATION)}
        if verb == "station":
            return {"accepted": connection.interrogation(common_address=int(rest[0]))}
        if verb == "connected":
            return {"accepted": connection.is_connected}
        address = int(rest[0])
        if verb == "point":
            return seen.get(address)
        if verb == "read":
            self.station.remove_point(io_address=address)
            point = self.station.add_point(io_address=address, type=c104.Type.M_ME_NC_1)
            return {"accepted": point.read()}
        if verb == "float":
            return {"accepted": self.command(c104.Type.C_SE_NC_1, address, float(rest[1]), rest[2:])}
        if verb == "scaled":
            return {"accepted": self.command(c104.Type.C_SE_NB_1, address, c104.Int16(int(rest[1])), rest[2:])}
        return {"accepted": self.command(c104.Type.C_SC_NA_1, address, rest[1] == "1", rest[2:])}


def main():
    port, files = int(sys.argv[1]), sys.argv[2:]
    master = Master(relay(port, files) if files else port)
    print("READY", port if master.connection.state == c104.ConnectionState.OPEN else "no", flush=True)
    for line in sys.stdin:
        verb, *rest = line.split()
        print(json.dumps(master.answer(verb, rest)), flush=True)


main()
