"""A battery inverter made by others: pymodbus serves registers that pysunspec2's model files lay out.

Usage: sunspec_battery.py tcp | rtu_over_tcp | serial PATH

Prints "READY <port or path>" once it listens (on loopback, at a port of the system's choosing). Then one command per
line on standard input: "get NAME" prints the raw registers of a point, "set NAME REGISTER..." changes them. NAME is
MODEL.POINT, such as 704.WSet. Ends with standard input.
"""

import asyncio
import json
import os
import struct
import sys

import sunspec2
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

MODELS = [1, 701, 702, 703, 704, 713, 715]
START = 40000
# Half charged, discharging 1234 W with a scale factor of 1, under remote control, set-points in steps of 10 W.
VALUES = {
    "701.W": [123], "701.W_SF": [1], "701.Hz": [0, 5001], "701.Hz_SF": [0xFFFE], "701.InvSt": [3],
    "704.WSet_SF": [1], "713.SoC": [505], "713.Pct_SF": [0xFFFF], "715.LocRemCtl": [0],
}


def text(value, registers):
    """Registers of a text."""
    return list(struct.unpack(f">{registers}H", value.encode().ljust(registers * 2, b"\0")))


def lay_out():
    """Registers from START on, and where each point lies."""
    folder = os.path.join(os.path.dirname(sunspec2.__file__), "models", "json")
    cells, places = list(struct.unpack(">2H", b"SunS")), {}
    for number in MODELS:
        with open(os.path.join(folder, f"model_{number}.json"), encoding="utf-8") as file:
            group = json.load(file)["group"]
        first = len(cells)
        for part in [group, *group.get("groups", [])]:
            # Groups that occur zero times by default (curves) are left out; those of 704 occur once.
            if part is not group and part.get("count", 1) != 1:
                continue
            for point in part["points"]:
                places[f"{number}.{point['name']}"] = (START + len(cells), point["size"])
                cells += [0] * point["size"]
        cells[first], cells[first + 1] = number, len(cells) - first - 2
    return cells + [0xFFFF, 0], places


def registers():
    """The device at rest."""
    cells, places = lay_out()
    values = dict(VALUES)
    values["1.Mn"], values["1.SN"] = text("Peers & Co", 16), text("0815", 16)
    for name, value in values.items():
        offset = places[name][0] - START
        cells[offset : offset + len(value)] = value
    return cells, places


async def serve(mode, path, device):
    """A listening server and what to tell the test."""
    if mode == "serial":
        server = ModbusSerialServer(device, framer=FramerType.RTU, port=path, baudrate=19200, parity="N", stopbits=1)
        await server.serve_forever(background=True)
        return server, path
    framer = FramerType.SOCKET if mode == "tcp" else FramerType.RTU
    server = ModbusTcpServer(device, framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    return server, server.transport.sockets[0].getsockname()[1]


async def main():
    """Serves until standard input ends."""
    cells, places = registers()
    device = SimDevice(1, [SimData(START, values=cells, datatype=DataType.REGISTERS)])
    server, place = await serve(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None, device)
    print(f"READY {place}", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, name, *values = line.split()
        address, size = places[name]
        if command == "set":
            await server.async_setValues(1, 16, address, [int(value) for value in values])
        print(*await server.async_getValues(1, 3, address, size), flush=True)
    await server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
