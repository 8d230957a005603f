"""A modelled SX1276 behind its SPI: the registers that micropython-lib's driver uses (datasheet section 6.4), and an
ether that hands what one sends to the others that receive. For the VM."""

import time

_FIFO, _MODE, _POINTER, _FLAGS, _COUNT, _SNR, _RSSI, _LENGTH, _VERSION = 0, 1, 0x0D, 0x12, 0x13, 0x19, 0x1A, 0x22, 0x42
_RX_BASE = 0x0F
_STANDBY, _TX, _RX = 1, 3, (5, 6)
_RX_TIMEOUT, _SINGLE_MS = 0x80, 200
_RX_DONE, _CRC_ERROR, _HEADER, _TX_DONE = 0x40, 0x20, 0x10, 0x08


class Pin:
    """machine.Pin as the driver uses it."""

    OUT, IN, IRQ_RISING = 1, 0, 1

    def __init__(self, chip=None):
        self._chip = chip

    def init(self, *args, **options):
        pass

    def __call__(self, value=None):
        if self._chip and value == 0:
            self._chip.begin()


class Chip:
    """One modem: its own SPI bus. air: the chips in reach of each other."""

    def __init__(self, air, airtime_ms=5):
        self.registers = bytearray(128)
        self.registers[_VERSION] = 0x12
        self.registers[_RSSI] = 70
        self.registers[_SNR] = 0x100 - 12
        self.fifo = bytearray(256)
        self.damage = False
        self._air = air
        self._airtime_ms = airtime_ms
        self._done_at = None
        self._filled = 0
        self._silent_at = 0
        self._address = None
        air.append(self)

    def begin(self):
        self._address = None

    # --- machine.SPI ---

    def write(self, data):
        data = bytes(data)
        if self._address is None:
            self._address, data = data[0] & 0x7F, data[1:]
        for byte in data:
            self._put(byte)

    def write_readinto(self, out, into):
        self._address = out[0] & 0x7F
        into[1] = self._get()

    def readinto(self, into, write=0):
        if self._address is None:
            self._address = write & 0x7F
            return
        for place in range(len(into)):
            into[place] = self._get()

    # --- registers ---

    def _put(self, byte):
        if self._address == _FIFO:
            self.fifo[self.registers[_POINTER]] = byte
            self.registers[_POINTER] = (self.registers[_POINTER] + 1) & 255
            return
        if self._address == _FLAGS:
            self.registers[_FLAGS] &= ~byte & 255
        else:
            self.registers[self._address] = byte
            if self._address == _MODE and byte & 7 in _RX:
                self._filled = self.registers[_RX_BASE]
                self._silent_at = time.ticks_add(time.ticks_ms(), _SINGLE_MS)
            if self._address == _MODE and byte & 7 == _TX:
                self._done_at = time.ticks_add(time.ticks_ms(), self._airtime_ms)
        self._address += 1

    def _get(self):
        self._look()
        if self._address == _FIFO:
            self.registers[_POINTER] = (self.registers[_POINTER] + 1) & 255
            return self.fifo[(self.registers[_POINTER] - 1) & 255]
        value = self.registers[self._address]
        self._address += 1
        return value

    def _look(self):
        if self.registers[_MODE] & 7 == _RX[1] and time.ticks_diff(time.ticks_ms(), self._silent_at) >= 0:
            self.registers[_FLAGS] |= _RX_TIMEOUT
            self.registers[_MODE] = self.registers[_MODE] & ~7 | _STANDBY
        if self._done_at is None or time.ticks_diff(time.ticks_ms(), self._done_at) < 0:
            return
        self._done_at = None
        self.registers[_FLAGS] |= _TX_DONE
        self.registers[_MODE] = self.registers[_MODE] & ~7 | _STANDBY
        packet = bytes(self.fifo[: self.registers[_LENGTH]])
        for other in self._air:
            if other is not self:
                other.hear(packet, self.damage)

    def hear(self, packet, damaged):
        if self.registers[_MODE] & 7 not in _RX:
            return
        for byte in packet:  # behind the packet before, whether that was read or not (section 4.1.2.3)
            self.fifo[self._filled] = byte
            self._filled = (self._filled + 1) & 255
        self.registers[_COUNT] = len(packet)
        self.registers[_FLAGS] |= _RX_DONE | _HEADER | (_CRC_ERROR if damaged else 0)
        if self.registers[_MODE] & 7 == _RX[1]:
            self.registers[_MODE] = self.registers[_MODE] & ~7 | _STANDBY
