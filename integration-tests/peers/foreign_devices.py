"""A small plant made by others: six pymodbus servers with layouts that the gateway's repository does not know.

Usage: foreign_devices.py SERIAL_PATH

* battery: serial RTU, unit 7, holding registers, words swapped, discharging counts as positive
* chp: Modbus TCP, unit 3, coils, discrete inputs, input and holding registers
* meter: RTU over TCP, unit 12, f32 input registers with holes between them
* roof: Modbus TCP, unit 1, a power with its decimal exponent beside it, a register that says "not implemented", a cap
* mast: Modbus TCP, unit 5, f32 with its words swapped
* heat: Modbus TCP, unit 9, 32 bits with words and bytes swapped

Prints "READY <ports of chp, meter, roof, mast, heat>" once all listen (loopback, ports of the system's choosing). Then one
command per line on standard input: "get DEVICE FUNCTION ADDRESS COUNT" prints raw values, "set DEVICE FUNCTION ADDRESS
VALUE..." changes them, "deaf DEVICE ADDRESS" lets it acknowledge writes of a register without applying them, "hear DEVICE"
ends that, "live SECONDS" makes powers follow set-points and the meter follow the balance from now on; the battery then
stops by itself when its heartbeat has rested for so long (0: never); "sun KW" is what the PV could give then. Ends with standard input.
"""

import asyncio
import struct
import sys
import time

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNITS = {"battery": 7, "chp": 3, "meter": 12, "roof": 1, "mast": 5, "heat": 9}
DEAF = {}
LIVING = []
PV_KW, WIND_KW, HEAT_KW = 3.5, 2.0, 40.0
SUN = [PV_KW]


def f32(value):
    """Registers of a float, high word first."""
    return list(struct.unpack(">2H", struct.pack(">f", value)))


def i32_low_first(value):
    """Registers of a whole number, low word first."""
    high, low = struct.unpack(">2H", struct.pack(">i", value))
    return [low, high]


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


def sources():
    """What is only measured: PV, wind and heat."""
    only_holding = lambda values: ([bits(500, [False] * 8)], [bits(500, [False] * 8)], values, [words(500, [0])])
    roof = SimDevice(UNITS["roof"], only_holding([words(100, [round(PV_KW * 100), 1, 0x8000, 600])]))
    mast = SimDevice(UNITS["mast"], only_holding([words(20, f32(WIND_KW)[::-1])]))
    swapped = [word >> 8 | (word & 0xFF) << 8 for word in i32_low_first(round(HEAT_KW * 1000))]
    heat = SimDevice(UNITS["heat"], only_holding([words(5, swapped)]))
    return {"roof": roof, "mast": mast, "heat": heat}


async def live(servers, watchdog_s):
    """Powers follow set-points, the meter follows the balance, the battery stops without its heartbeat."""

    async def get(name, function, address, count=1):
        return list(await servers[name].async_getValues(UNITS[name], function, address, count))

    async def put(name, function, address, values):
        await servers[name].async_setValues(UNITS[name], function, address, values)

    beat, beaten = None, time.monotonic()
    while True:
        now = await get("battery", 3, 310)
        if now != beat:
            beat, beaten = now, time.monotonic()
        if watchdog_s and time.monotonic() - beaten > watchdog_s:
            await put("battery", 3, 300, [0])
        tenths = (await get("battery", 3, 300))[0]
        enabled = (await get("battery", 1, 5))[0]
        battery_kw = (tenths - 65536 if tenths > 32767 else tenths) / 10 if enabled else 0.0
        await put("battery", 3, 210, i32_low_first(round(-1000 * battery_kw)))
        runs = bool((await get("chp", 1, 1))[0])
        chp_tenths = (await get("chp", 3, 20))[0] if runs else 0
        await put("chp", 4, 10, [chp_tenths])
        await put("chp", 2, 2, [runs])
        pv_kw = min(SUN[0], (await get("roof", 3, 103))[0] / 10)
        await put("roof", 3, 100, [round(100 * pv_kw)])
        load_kw = struct.unpack(">f", struct.pack(">2H", *await get("meter", 4, 100, 2)))[0]
        await put("meter", 4, 0, f32(load_kw + battery_kw - chp_tenths / 10 - pv_kw - WIND_KW))
        await asyncio.sleep(0.1)


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
    for name, device in sources().items():
        servers[name] = ModbusTcpServer(device, framer=FramerType.SOCKET, address=("127.0.0.1", 0))
    for server in servers.values():
        await server.serve_forever(background=True)
    ports = [server.transport.sockets[0].getsockname()[1] for name, server in servers.items() if name != "battery"]
    return servers, ports


async def obey(servers, line):
    """Carries out a command; the values to print."""
    command, name, *rest = line.split()
    if command == "live":
        LIVING.append(asyncio.create_task(live(servers, float(name))))
        return []
    if command == "sun":
        SUN[0] = float(name)
        return []
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
