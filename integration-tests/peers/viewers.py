"""What viewers cost a running gateway: viewers.py URL PID [VIEWERS [SECONDS]]

Opens so many live streams of the operator's station and compares the gateway's time on the processor, and how late its
cycles begin, with the time before. Lateness is that of the last 512 cycles: with MEMG__CONTROL__CYCLE_S=0.05 those are 26 s.
"""
import selectors
import socket
import sys
import threading
import time
from urllib.parse import urlparse
from urllib.request import urlopen

from processor import share


def watch(host, port, viewers, told, stop):
    streams = selectors.DefaultSelector()
    for _ in range(viewers):
        stream = socket.create_connection((host, port))
        stream.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        stream.setblocking(False)
        streams.register(stream, selectors.EVENT_READ)
    while not stop.is_set():
        for key, _ in streams.select(0.5):
            told[0] += key.fileobj.recv(1 << 20).count(b"event: state")


def late_ms(url):
    """99 % of the last cycles began within this time after they were due, ms."""
    with urlopen(url + "/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    name = "memg_control_lateness_p99_seconds"
    return next(1000 * float(line.split()[1]) for line in lines if line.startswith(name + " "))


def main():
    station = sys.argv[1].rstrip("/")
    url, pid = urlparse(station), int(sys.argv[2])
    viewers = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 15
    alone = share(pid, seconds)
    late_alone = late_ms(station)
    told, stop = [0], threading.Event()
    threading.Thread(target=watch, args=(url.hostname, url.port, viewers, told, stop), daemon=True).start()
    time.sleep(3)
    before = told[0]
    watched = share(pid, seconds)
    states = (told[0] - before) / seconds / viewers
    late_watched = late_ms(station)
    stop.set()
    print(f"alone {alone:.1f} % of a core, {viewers} viewers {watched:.1f} %, {states:.2f} states a second to each")
    print(f"lateness of cycles, p99: alone {late_alone:.2f} ms, with viewers {late_watched:.2f} ms")


main()
