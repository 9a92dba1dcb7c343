"""A SunSpec master on pysunspec2. Argument: port. Scans, prints "READY <model numbers>", then answers each line with a line:

    get MODEL.POINT             the value in its unit, or "none" where it is not implemented
    set MODEL.POINT VALUE...    writes points of one model; "done", or the exception
"""

import sys

import sunspec2.modbus.client as client
from sunspec2.modbus.modbus import ModbusClientError


def main():
    device = client.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=int(sys.argv[1]), timeout=10)
    device.scan()
    numbers = [number for number in device.models if isinstance(number, int)]
    print("READY", *numbers, flush=True)
    for line in sys.stdin:
        verb, named, *rest = line.split()
        model, point = named.split(".")
        held = device.models[int(model)][0]
        if verb == "get":
            held.read()
            value = held.points[point].cvalue
            print("none" if value is None else value, flush=True)
            continue
        try:
            held.points[point].cvalue = float(rest[0]) if "." in rest[0] else int(rest[0])
            held.points[point].write()
            print("done", flush=True)
        except (ModbusClientError, client.SunSpecModbusClientException) as error:
            print("refused", str(error).replace("\n", " "), flush=True)


main()
