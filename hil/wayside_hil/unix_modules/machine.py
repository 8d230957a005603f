"""`machine` for the bench's unix target: UARTs are the ptys of HIL_UART0 and HIL_UART1, pins are words on HIL_PINS.

"25=1" is an output of the board's or an input from outside; interrupts of pins are not modelled.
"""

import os
import select
import sys

_VARIABLE = "HIL_UART%d"


def _open(variable):
    path = os.getenv(variable)
    if path is None:
        raise ValueError("%s names no port: the bench has nothing there" % variable)
    file = open(path, "r+b")
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return file, poll


class UART:
    def __init__(self, number, baudrate=115200, **more):
        self._file, self._poll = _open(_VARIABLE % number)

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


class Pin:
    IN, OUT, PULL_UP, PULL_DOWN = 0, 1, 1, 2
    _wire = None
    _levels = {}

    def __init__(self, number, mode=-1, pull=None, value=None):
        if Pin._wire is None:
            Pin._wire = _open("HIL_PINS")
        self._number = number
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=None, value=None):
        self._drives = mode == Pin.OUT
        self._pulled = 1 if pull == Pin.PULL_UP else 0
        if self._drives:
            self.value(value or 0)

    def value(self, level=None):
        if level is None:
            Pin._hear()
            return Pin._levels.get(self._number, self._pulled)
        level = 1 if level else 0
        if self._drives:
            Pin._levels[self._number] = level
            Pin._wire[0].write(b"%d=%d\n" % (self._number, level))
        return None

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self.value())

    @staticmethod
    def _hear():
        file, poll = Pin._wire
        while poll.poll(0):
            number, _, level = file.readline().partition(b"=")
            Pin._levels[int(number)] = int(level)


def reset():
    sys.exit()
