"""A modelled SX1262 behind its SPI: commands, BUSY, DIO1, buffer and interrupt flags, on a modelled air.

Semtech SX1261/2 datasheet rev. 2.1: modes section 9, commands 11 and 13, status byte table 13-76, interrupts table
13-29, power 13.1.14, sync word 6.1.6 and register table 12-1. For CPython and the VM.
"""

from .air import AirRadio, Modulation

_BUSY_NS = 100_000  # most commands keep the chip so long, table 8-2
_WAKE_NS = 340_000
_STEP_NS = 15_625  # of the timer
_CONTINUOUS = 0xFFFFFF

_SLEEP, _STANDBY_RC, _STANDBY_XOSC, _RX, _TX = 0, 2, 3, 5, 6
_DATA, _TIMED_OUT, _WRONG, _SENT_NOW, _FINE = 2, 3, 4, 6, 1
_TX_DONE, _RX_DONE, _HEADER, _CRC_ERROR, _CAD_DONE, _CAD_DETECTED, _TIMEOUT = 1, 2, 0x10, 0x40, 0x80, 0x100, 0x200
_LORA = 1
_READ_FROM = {0x12: 2, 0x13: 2, 0x14: 2, 0x15: 2, 0x17: 2, 0x1D: 4, 0x1E: 3, 0xC0: 1, 0x11: 2}
"""By opcode of what is read: where the data begins, the opcode being 0. Before it there is the status."""

_BW_HZ = {
    0: 7800, 8: 10400, 1: 15600, 9: 20800, 2: 31250, 10: 41700, 3: 62500, 4: 125000, 5: 250000, 6: 500000,
}  # fmt: skip
_OPTIMAL_DBM = {(4, 7): 22, (3, 5): 20, (2, 3): 17, (2, 2): 14}


class Sx1262(AirRadio):
    """One chip. select() and deselect(now) are the edges of NSS, exchange() a byte between them.

    faults: commands given while BUSY was high, or that there are none of, by opcode.
    """

    def __init__(self, air):
        super().__init__(air)
        self.faults = []
        self.reset()

    def reset(self) -> None:
        """Power-up or the pin NRESET."""
        self.stand_by()
        self.buffer = bytearray(256)
        self.registers = {0x740: 0x14, 0x741: 0x24}
        self.irq = 0
        self.mode = _STANDBY_RC
        self._status = _FINE
        self._irq_mask = self._dio1_mask = 0
        self._type = 0
        self._hz = 0
        self._modulation = (7, 4, 1, 0)
        self._packet = (12, 0, 255, 0, 0)  # preamble, implicit header, length, CRC, inverted
        self._bases = (0, 0)
        self._received = (0, 0)  # length, where it begins
        self._filled = 0
        self._levels = (0, 0)  # RSSI and SNR of the last packet, as they are read
        self._pa = (4, 7)
        self._dbm = 14
        self._single = True
        self._busy_until = 0
        self._given = bytearray()
        self._answer = b""

    def busy(self, now: int) -> bool:
        """The pin BUSY."""
        return self.mode == _SLEEP or now < self._busy_until

    def dio1(self, now: int) -> bool:
        self.look(now)
        return bool(self.irq & self._dio1_mask)

    def select(self, now: int) -> None:
        """NSS falls, which wakes the chip."""
        self._given = bytearray()
        if self.mode == _SLEEP:
            self.mode = _STANDBY_RC
            self._busy_until = now + _WAKE_NS

    def deselect(self, now: int) -> None:
        """NSS rises, and the command that was given is done."""
        given, self._given = bytes(self._given), bytearray()
        if not given or given[0] in _READ_FROM:
            return
        if now < self._busy_until:
            self.faults.append(given[0])
            return
        self._busy_until = now + _BUSY_NS
        self._status = _FINE
        self._do(given[0], given[1:], now)

    def exchange(self, value: int, now: int) -> int:
        """A byte on MOSI that is over now; returns the one that was on MISO."""
        self.look(now)
        self._given.append(value)
        opcode, place = self._given[0], len(self._given) - 1
        begin = _READ_FROM.get(opcode, 1 << 30)
        if place < begin:
            return self.mode << 4 | self._status << 1
        if now < self._busy_until:
            self.faults.append(opcode)
            return 0
        if place == begin:
            self._answer = self._read(opcode, bytes(self._given[1:begin]), now)
        at = place - begin
        return self._answer[at] if at < len(self._answer) else 0

    def _read(self, opcode: int, given: bytes, now: int) -> bytes:
        if opcode == 0x12:
            return self.irq.to_bytes(2, "big")
        if opcode == 0x13:
            return bytes(self._received)
        if opcode == 0x14:
            return bytes((self._levels[0], self._levels[1], self._levels[0]))
        if opcode == 0x15:
            if self.mode != _RX:
                return b"\x00"  # nothing is measured: as loud as can be
            return bytes((-2 * self.air.power_dbm(self, self._read_settings(False), now) & 255,))
        if opcode == 0x11:
            return bytes((_LORA,))
        if opcode == 0x1D:
            first = given[0] << 8 | given[1]
            return bytes([self.registers.get(first + place, 0) for place in range(16)])
        if opcode == 0x1E:
            return bytes([self.buffer[(given[0] + place) & 255] for place in range(256)])
        return bytes(2)  # no errors of the device

    def _do(self, opcode: int, given: bytes, now: int) -> None:
        done = {
            0x80: self._set_standby, 0x82: self._set_rx, 0x83: self._set_tx, 0x84: self._set_sleep, 0xC5: self._set_cad,
        }.get(opcode)  # fmt: skip
        if done:
            done(given, now)
        elif opcode == 0x02:
            self.irq &= ~(given[0] << 8 | given[1])
        elif opcode == 0x08:
            self._irq_mask, self._dio1_mask = given[0] << 8 | given[1], given[2] << 8 | given[3]
        elif opcode == 0x0D:
            for place, value in enumerate(given[2:]):
                self.registers[(given[0] << 8 | given[1]) + place] = value
        elif opcode == 0x0E:
            for place, value in enumerate(given[1:]):
                self.buffer[(given[0] + place) & 255] = value
        elif opcode == 0x86:
            self._hz = int.from_bytes(given[:4], "big") * 15625 >> 14  # 32 MHz in steps of 2^-25
        elif opcode == 0x8A:
            self._type = given[0]
        elif opcode == 0x8B:
            self._modulation = tuple(given[:4])
        elif opcode == 0x8C:
            self._packet = (given[0] << 8 | given[1], given[2], given[3], given[4], given[5])
        elif opcode == 0x8F:
            self._bases = (given[0], given[1])
        elif opcode == 0x95:
            self._pa = (given[0], given[1])
        elif opcode == 0x8E:
            # What is set is reached at 22 only, where the power amplifier is set for less (13.1.14.1).
            wanted = given[0] - 256 if given[0] > 127 else given[0]
            self._dbm = min(wanted, 22) - 22 + _OPTIMAL_DBM.get(self._pa, 22)
        elif opcode not in (0x07, 0x89, 0x98, 0x9D, 0x97, 0x93, 0x96, 0x88, 0x9F):  # nothing that the model has
            self.faults.append(opcode)
            self._status = _WRONG

    def _set_standby(self, given: bytes, now: int) -> None:
        self.stand_by()
        self.mode = _STANDBY_XOSC if given[0] else _STANDBY_RC

    def _set_sleep(self, given: bytes, now: int) -> None:
        self.stand_by()
        self.mode = _SLEEP

    def _set_tx(self, given: bytes, now: int) -> None:
        if self._type != _LORA:
            self._status = _WRONG
            return
        base, size = self._bases[0], self._packet[2]
        packet = bytes([self.buffer[(base + place) & 255] for place in range(size)])
        self.mode = _TX
        self.transmit(packet, self._read_settings(True), bool(self._packet[3]), self._dbm, now)

    def _set_rx(self, given: bytes, now: int) -> None:
        timeout = int.from_bytes(given[:3], "big")
        self.mode = _RX
        self._single = timeout != _CONTINUOUS
        self._filled = self._bases[1]
        self.receive(self._read_settings(False), now, now + timeout * _STEP_NS if 0 < timeout < _CONTINUOUS else None)

    def _set_cad(self, given: bytes, now: int) -> None:
        """Channel activity detection, here without the symbols that it takes."""
        settings = self._read_settings(False)
        on_air = [each for each in self.air.flights if each.start <= now < each.end and each.sender is not self]
        busy = any(each.settings[:3] == settings[:3] for each in on_air)
        self._flag(_CAD_DONE | (_CAD_DETECTED if busy else 0))

    def _read_settings(self, sends: bool):
        sf, bw, coding_rate, _ = self._modulation
        sync = self.registers[0x740] & 0xF0 | self.registers[0x741] >> 4  # 0x1424 is an SX1276's 0x12
        preamble, implicit, _, _, inverted = self._packet
        return Modulation(
            self._hz, sf, _BW_HZ[bw], 4 + coding_rate, preamble, sync, bool(inverted), not implicit
        )  # fmt: skip

    # --- what happens on the air ---

    def _sent(self) -> None:
        self.mode, self._status = _STANDBY_RC, _SENT_NOW
        self._flag(_TX_DONE)

    def _timed_out(self) -> None:
        self.mode, self._status = _STANDBY_RC, _TIMED_OUT
        self._flag(_TIMEOUT)

    def _found(self, flight) -> None:
        self._flag(_HEADER)

    def _heard(self, flight, packet, valid) -> None:
        begin = self._filled
        for byte in packet:
            self.buffer[self._filled] = byte
            self._filled = (self._filled + 1) & 255
        self._received = (len(packet), begin)
        snr = max(-128, min(127, self.air.snr_quarter_db(flight, self)))
        self._levels = (-2 * self.air.rssi_dbm(flight, self) & 255, snr & 255)
        self._status = _DATA
        self._flag(_RX_DONE | (0 if valid else _CRC_ERROR))
        if self._single:
            self.stand_by()
            self.mode = _STANDBY_RC

    def _flag(self, flags: int) -> None:
        self.irq |= flags & self._irq_mask
