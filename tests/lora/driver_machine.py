"""What micropython-lib's LoRa drivers want of `machine`, over a modelled chip. For the VM, which has no pins."""

import time


def now_ns():
    return 1000 * time.ticks_us()


class Pin:
    """One pin between driver and chip. low(), high(): called when it falls or rises; level(): what it reads.

    edge(): call it now and then, for the interrupt of a pin that has risen since.
    """

    OUT, IN, IRQ_RISING = 1, 0, 1

    def __init__(self, low=None, level=None, high=None):
        self._low = low
        self._high = high
        self._level = level
        self._handler = None
        self._was = False

    def init(self, *args, **options):
        if options.get("value") == 0:
            self(0)

    def irq(self, handler, trigger):
        self._handler = handler

    def edge(self):
        level = self._level()
        if level and not self._was and self._handler:
            self._handler(self)
        self._was = level

    def __call__(self, value=None):
        if value is None:
            return self._level()
        if value == 0 and self._low:
            self._low()
        if value == 1 and self._high:
            self._high()
        return None


class SPI:
    """The bus of one chip: everything is a row of bytes that go both ways."""

    def __init__(self, chip):
        self._chip = chip

    def write(self, data):
        for byte in bytes(data):
            self._chip.exchange(byte, now_ns())

    def write_readinto(self, out, into):
        for place, byte in enumerate(bytes(out)):
            into[place] = self._chip.exchange(byte, now_ns())

    def readinto(self, into, write=0):
        for place in range(len(into)):
            into[place] = self._chip.exchange(write, now_ns())
