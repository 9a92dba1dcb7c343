"""A SCADA master on pymodbus. Arguments: port, and for TLS authority, certificate and key (PEM files).

Prints "READY <port>". Then one line for each command: first a number, 0 for done, else the exception, 999 for a lost connection; then
the registers.

    read FIRST COUNT        holding registers
    input FIRST COUNT       input registers
    coils FIRST COUNT       a function that the server does not have
    write FIRST WORD...     several registers
    one FIRST WORD          a single register
    float FIRST VALUE...    numbers of two registers
"""

import ssl
import struct
import sys

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException


class EncryptedClient(ModbusTcpClient):
    """pymodbus' own TLS client leaves the header out of its frames, which the standard keeps."""

    def __init__(self, port, files):
        super().__init__("127.0.0.1", port=port, timeout=10, retries=0)
        authority, certificate, key = files
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.load_verify_locations(authority)
        self.tls.load_cert_chain(certificate, key)

    def connect(self):
        if self.socket is None and super().connect():
            plain = self.socket
            plain.setblocking(True)
            self.socket = self.tls.wrap_socket(plain, server_hostname="127.0.0.1")
            self.socket.settimeout(10)
        return self.socket is not None


def client(port, files):
    if not files:
        return ModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0)
    return EncryptedClient(port, files)


def ask(master, verb, first, rest):
    if verb == "read":
        return master.read_holding_registers(first, count=int(rest[0]))
    if verb == "input":
        return master.read_input_registers(first, count=int(rest[0]))
    if verb == "coils":
        return master.read_coils(first, count=int(rest[0]))
    if verb == "one":
        return master.write_register(first, int(rest[0]))
    if verb == "float":
        packed = b"".join(struct.pack(">f", float(value)) for value in rest)
        return master.write_registers(first, list(struct.unpack(f">{len(packed) // 2}H", packed)))
    return master.write_registers(first, [int(word) for word in rest])


def main():
    port, files = int(sys.argv[1]), sys.argv[2:]
    master = client(port, files)
    master.connect()
    print("READY", port, flush=True)
    for line in sys.stdin:
        verb, first, *rest = line.split()
        try:
            answer = ask(master, verb, int(first), rest)
            failed = answer.exception_code if answer.isError() else 0
            words = getattr(answer, "registers", []) if not failed and verb in ("read", "input") else []
            print(failed, *words, flush=True)
        except (ModbusException, OSError):
            print(999, flush=True)


main()
