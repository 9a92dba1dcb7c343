"""A small plant that is not ours: three devices of a maker called Volta behind one Modbus TCP address, simulated by pymodbus.

    pip install "pymodbus==3.16.*"
    python3 plant.py [--port 0] [--minutes 60]      # port 0: the system chooses; it is written to plant.port

unit 1, storage inverter, holding registers (addresses on the wire, discharging is positive as in the maker's manual):

    100     u16   state of charge, 0.1 %
    101-102 i32   power, W
    103     u16   0 standby, 1 running, 2 fault
    110     i16   set-point, 10 W; power follows by 2 kW a second; without a new write for 60 s the inverter goes to standby
    111     u16   1: follow the set-point

unit 2, PV inverter, holding registers: 0-1 f32 power in W, 20 u16 limit of power in 0.1 kW
unit 3, meter at the connection, holding registers: 0-1 f32 power in W (import is positive), 2-3 f32 frequency in Hz

Every write is printed as a line. Nothing is encrypted, everything is on the loopback interface.
"""

import argparse
import asyncio
import math
import struct
import time

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

STORAGE, PV, METER = 1, 2, 3
CAPACITY_KWH, RATED_KW, SLEW_KW_PER_S, FALLS_BACK_S = 30.0, 15.0, 2.0, 60.0
PERIOD_S = 0.5
# When the set-point was written last; shown values are not writes.
written = {}


def words(first, count):
    return SimData(first, values=[0] * count, datatype=DataType.REGISTERS)


def f32(value):
    return list(struct.unpack(">2H", struct.pack(">f", value)))


def i32(value):
    return list(struct.unpack(">2H", struct.pack(">i", round(value))))


def signed(word):
    return word - 0x10000 if word & 0x8000 else word


def tells(name):
    """Prints what a master writes."""

    async def action(function, _start, address, _count, _current, values):
        if values is not None and function in (6, 16) and not quiet:
            for offset, value in enumerate(values):
                print(f"{name}: register {address + offset} := {signed(value)}", flush=True)
                written[name, address + offset] = time.monotonic()

    return action


# Set while the plant itself changes what its registers show.
quiet = False


class Plant:
    def __init__(self):
        devices = [
            SimDevice(STORAGE, [words(100, 4), words(110, 2)], action=tells("storage")),
            SimDevice(PV, [words(0, 2), words(20, 1)], action=tells("pv")),
            SimDevice(METER, [words(0, 4)]),
        ]
        self.devices, self.soc, self.charge_kw = devices, 0.4, 0.0

    async def listen(self, port):
        self.server = ModbusTcpServer(self.devices, address=("127.0.0.1", port))
        await self.server.serve_forever(background=True)
        return self.server.transport.sockets[0].getsockname()[1]

    async def show(self, unit, function, address, values):
        global quiet
        quiet = True
        await self.server.async_setValues(unit, function, address, values)
        quiet = False

    async def step(self, seconds):
        """Half a second of a sunny day: 24 kW of PV, 9 kW of load, both a little restless."""
        told, follow = await self.server.async_getValues(STORAGE, 3, 110, 2)
        age_s = time.monotonic() - written.get(("storage", 110), -math.inf)
        following = follow == 1 and age_s < FALLS_BACK_S
        wanted_kw = -signed(told) / 100 if following else 0.0
        most_kw = SLEW_KW_PER_S * PERIOD_S
        self.charge_kw += max(-most_kw, min(most_kw, max(-RATED_KW, min(RATED_KW, wanted_kw)) - self.charge_kw))
        self.soc = min(1.0, max(0.0, self.soc + self.charge_kw * PERIOD_S / 3600 / CAPACITY_KWH))
        (limit,) = await self.server.async_getValues(PV, 3, 20, 1)
        pv_kw = min(24.0 + 0.2 * math.sin(seconds / 3), limit / 10)
        load_kw = 9.0 + 0.3 * math.sin(seconds / 5)
        grid_kw = load_kw + self.charge_kw - pv_kw
        await self.show(STORAGE, 16, 100, [round(self.soc * 1000), *i32(-self.charge_kw * 1000), 1 if following else 0])
        await self.show(PV, 16, 0, f32(pv_kw * 1000))
        await self.show(METER, 16, 0, f32(grid_kw * 1000) + f32(50.0 + 0.01 * math.sin(seconds / 7)))


async def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--minutes", type=float, default=60.0, help="ends by itself after these")
    chosen = arguments.parse_args()
    plant = Plant()
    port = await plant.listen(chosen.port)
    await plant.show(PV, 16, 20, [300])
    begin = time.monotonic()
    await plant.step(0.0)
    with open("plant.port", "w", encoding="ascii") as file:
        file.write(f"{port}\n")
    print(f"the plant listens on 127.0.0.1:{port}", flush=True)
    while (seconds := time.monotonic() - begin) < chosen.minutes * 60:
        await plant.step(seconds)
        await asyncio.sleep(PERIOD_S)
    await plant.server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
