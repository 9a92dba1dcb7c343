"""A meter behind Modbus/TCP Security: pymodbus in TLS, for clients with a certificate of its authority alone.

Arguments: authority, certificate and key (PEM files). Prints "READY <port>", then serves until standard input ends. Holding
registers 0..1: 231.5 as a 32-bit float.
"""

import asyncio
import ssl
import struct
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice


def context(authority, certificate, key):
    """Nobody without a certificate of the authority gets in."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    made.load_verify_locations(authority)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


async def main():
    words = list(struct.unpack(">HH", struct.pack(">f", 231.5)))
    registers = [SimData(0, values=words + [0] * 20, datatype=DataType.REGISTERS)]
    # pymodbus' own frames in TLS leave the header out, which the standard keeps.
    server = ModbusTlsServer(
        SimDevice(1, simdata=registers),
        framer=FramerType.SOCKET,
        address=("127.0.0.1", 0),
        sslctx=context(*sys.argv[1:4]),
    )
    await server.serve_forever(background=True)
    print("READY", server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
