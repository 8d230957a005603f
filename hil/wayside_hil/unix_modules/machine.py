"""`machine` for the bench's unix target: UARTs are the ptys of HIL_UART0 and HIL_UART1. There are no pins."""

import os
import select

_VARIABLE = "HIL_UART%d"


class UART:
    def __init__(self, number, baudrate=115200, **more):
        path = os.getenv(_VARIABLE % number)
        if path is None:
            raise ValueError("UART(%d) doesn't exist" % number)
        self._file = open(path, "r+b")
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    def init(self, *arguments, **more):
        pass

    def any(self):
        return 1 if self._poll.poll(0) else 0

    def read(self, size=-1):
        data = b""
        while self._poll.poll(0) and (size < 0 or len(data) < size):
            data += self._file.read(1)
        return data or None

    def readline(self):
        data = b""
        while self._poll.poll(0) and not data.endswith(b"\n"):
            data += self._file.read(1)
        return data or None

    def write(self, data):
        return self._file.write(data)

    def flush(self):
        pass

    def deinit(self):
        self._file.close()


def reset():
    raise SystemExit
