"""A modelled I2C bus: each transaction is a datagram to the model and one back.

There: "W" or "R", the chip's address, and the bytes written or how many are read; back: 0 and the bytes read, or the
number of the error.
"""

import socket

_TIMEOUT_S = 2


class Bus:
    """The face of MicroPython's machine.I2C, as far as our drivers see it."""

    def __init__(self, port: str):
        host, _, number = port.partition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(socket.getaddrinfo(host, int(number))[0][-1])
        self._socket.settimeout(_TIMEOUT_S)

    def writeto(self, address: int, data: bytes) -> None:
        self._ask(b"W" + bytes([address]) + data)

    def readfrom(self, address: int, size: int) -> bytes:
        return self._ask(b"R" + bytes([address, size]))

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self.writeto(address, bytes([register]) + data)

    def readfrom_mem(self, address: int, register: int, size: int) -> bytes:
        self.writeto(address, bytes([register]))
        return self.readfrom(address, size)

    def _ask(self, request: bytes) -> bytes:
        self._socket.send(request)
        answer = self._socket.recv(300)
        if answer[0]:
            raise OSError(answer[0])
        return answer[1:]
