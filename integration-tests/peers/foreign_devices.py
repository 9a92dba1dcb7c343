"""A small plant made by others: three pymodbus servers with layouts that the gateway's repository does not know.

Usage: foreign_devices.py SERIAL_PATH

* battery: serial RTU, unit 7, holding registers, words swapped, discharging counts as positive
* chp: Modbus TCP, unit 3, coils, discrete inputs, input and holding registers
* meter: RTU over TCP, unit 12, f32 input registers

Prints "READY <chp port> <meter port>" once all listen (loopback, ports of the system's choosing). Then one command per
line on standard input: "get DEVICE FUNCTION ADDRESS COUNT" prints raw values, "set DEVICE FUNCTION ADDRESS VALUE..."
changes them, "deaf DEVICE ADDRESS" lets it acknowledge writes of a register without applying them, "hear DEVICE" ends
that. Ends with standard input.
"""

import asyncio
import struct
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNITS = {"battery": 7, "chp": 3, "meter": 12}
DEAF = {}


def f32(value):
    """Registers of a float, high word first."""
    return list(struct.unpack(">2H", struct.pack(">f", value)))


def words(address, values):
    return SimData(address, values=values, datatype=DataType.REGISTERS)


def bits(address, values):
    return SimData(address, values=values, datatype=DataType.BITS)


def listener(name):
    """Shows deaf registers as 0 whatever was written and acknowledged."""

    async def action(function, start, _address, _count, current, values):
        deaf = DEAF.get(name)
        if function == 3 and deaf is not None and start <= deaf < start + len(current):
            current[deaf - start] = 0

    return action


def devices():
    """State at rest: battery half full, CHP off, 30 kW of load."""
    spare = [bits(500, [False] * 8)], [bits(500, [False] * 8)]
    battery = SimDevice(
        UNITS["battery"],
        ([bits(0, [False] * 16)], spare[1],
         [words(200, [512]), words(210, [0, 0]), words(300, [0]), words(310, [0])], [words(500, [0])]),
        action=listener("battery"),
    )
    chp = SimDevice(
        UNITS["chp"],
        ([bits(0, [False] * 16)], [bits(0, [False, False, False, True] + [False] * 12)],
         [words(20, [0])], [words(10, [0])]),
        action=listener("chp"),
    )
    meter = SimDevice(
        UNITS["meter"],
        (spare[0], spare[1], [words(500, [0])],
         [words(0, f32(30.0) + f32(2.0)), words(10, f32(231.0)), words(70, f32(50.01)), words(100, f32(30.0))]),
        action=listener("meter"),
    )
    return battery, chp, meter


async def serve(path):
    """Listening servers by name, and the ports of those that have one."""
    battery, chp, meter = devices()
    servers = {
        "battery": ModbusSerialServer(
            battery, framer=FramerType.RTU, port=path, baudrate=19200, parity="N", stopbits=1
        ),
        "chp": ModbusTcpServer(chp, framer=FramerType.SOCKET, address=("127.0.0.1", 0)),
        "meter": ModbusTcpServer(meter, framer=FramerType.RTU, address=("127.0.0.1", 0)),
    }
    for server in servers.values():
        await server.serve_forever(background=True)
    ports = [servers[name].transport.sockets[0].getsockname()[1] for name in ("chp", "meter")]
    return servers, ports


async def obey(servers, line):
    """Carries out a command; the values to print."""
    command, name, *rest = line.split()
    server, unit = servers[name], UNITS[name]
    if command == "deaf":
        DEAF[name] = int(rest[0])
        return []
    if command == "hear":
        DEAF.pop(name, None)
        return []
    function, address, *values = [int(number) for number in rest]
    if command == "set":
        values = [bool(value) for value in values] if function in (5, 15) else values
        await server.async_setValues(unit, function, address, values)
        return []
    return [int(value) for value in await server.async_getValues(unit, function, address, values[0])]


async def main():
    """Serves until standard input ends."""
    servers, ports = await serve(sys.argv[1])
    print("READY", *ports, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(*await obey(servers, line), flush=True)
    for server in servers.values():
        await server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
