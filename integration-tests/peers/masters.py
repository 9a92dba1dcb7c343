"""What masters of the Modbus server cost a running gateway: masters.py HOST:PORT PID [MASTERS [SECONDS [STATION]]]

Each reads every block of the map once a second; the gateway's time on the processor is compared with the time before, and so is, where
STATION (http://HOST:PORT) serves /metrics, how late its cycles began.
"""
import re
import socket
import struct
import sys
import threading
import time
import urllib.request

from processor import share

# First register and count of every read of the whole map, within its blocks (docs/scada.md).
READS = [(1, 99)]
READS += [(first, min(120, 1900 - first)) for first in range(100, 1900, 120)]
READS += [(2000, 100), (3000, 64), (4000, 120), (4120, 120), (4240, 16), (9000, 100)]


def read(stream, first, count):
    stream.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, first, count))
    answer = b""
    while len(answer) < 9 + 2 * count:
        part = stream.recv(4096)
        if not part:
            raise ConnectionError("the server has gone")
        answer += part
        if len(answer) >= 9 and answer[7] & 0x80:
            raise ValueError(f"{first}: exception {answer[8]}")


def master(host, port, told, stop):
    stream = socket.create_connection((host, port))
    while not stop.is_set():
        begun = time.monotonic()
        for first, count in READS:
            read(stream, first, count)
        told.append(1)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - begun)))


def cycles(station):
    """How late cycles began, in words; the gateway looks at its last 512."""
    if not station:
        return ""
    with urllib.request.urlopen(f"{station}/metrics") as answer:
        text = answer.read().decode()
    found = {name: float(re.search(rf"^memg_control_{name} (\S+)$", text, re.M)[1])
             for name in ("late_cycles_total", "lateness_p99_seconds")}
    return (f" (cycles so far more than half a cycle late {found['late_cycles_total']:.0f}, "
            f"lateness p99 {1e3 * found['lateness_p99_seconds']:.2f} ms)")


def main():
    (host, port), pid = sys.argv[1].rsplit(":", 1), int(sys.argv[2])
    masters = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 15
    station = sys.argv[5] if len(sys.argv) > 5 else None
    alone, before_them = share(pid, seconds), cycles(station)
    told, stop = [], threading.Event()
    for _ in range(masters):
        threading.Thread(target=master, args=(host, int(port), told, stop), daemon=True).start()
    time.sleep(3)
    before = len(told)
    read_by, with_them = share(pid, seconds), cycles(station)
    maps = (len(told) - before) / seconds / masters
    stop.set()
    print(f"alone {alone:.1f} % of a core{before_them}, {masters} masters {read_by:.1f} %{with_them}, "
          f"{maps:.2f} maps a second to each")


main()
