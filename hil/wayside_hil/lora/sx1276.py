"""A modelled SX1276 behind its SPI: LoRa registers, FIFO, modes, interrupt flags and DIO pins, on a modelled air.

Semtech SX1276/77/78/79 datasheet rev. 7: registers section 6.4, FIFO 4.1.2.3, modes 4.1.6, DIO table 18, RSSI and SNR
5.5.5, power 5.4.2. For CPython and the VM.
"""

from .air import AirRadio, Modulation, symbol_ns

_FIFO, _MODE, _FRF, _PA, _POINTER, _TX_BASE, _RX_BASE, _RX_CURRENT = 0, 1, 6, 9, 0x0D, 0x0E, 0x0F, 0x10
_MASK, _FLAGS, _COUNT, _SNR, _RSSI, _RSSI_NOW, _CONFIG1, _CONFIG2 = 0x11, 0x12, 0x13, 0x19, 0x1A, 0x1B, 0x1D, 0x1E
_SYMBOLS, _PREAMBLE, _LENGTH, _CONFIG3, _INVERT, _SYNC, _DIO, _VERSION = 0x1F, 0x20, 0x22, 0x26, 0x33, 0x39, 0x40, 0x42
_PAGE_BEGIN, _PAGE_END = 0x0D, 0x40  # what has other registers while LongRangeMode is off
_READ_ONLY = (_RX_CURRENT, _COUNT, 0x14, 0x15, 0x16, 0x17, 0x18, _SNR, _RSSI, _RSSI_NOW, 0x1C, 0x25, _VERSION)
_AT_RESET = {
    _MODE: 0x09, 6: 0x6C, 7: 0x80, _PA: 0x4F, 0x0A: 0x09, 0x0B: 0x2B, 0x0C: 0x20, _TX_BASE: 0x80, _CONFIG1: 0x72,
    _CONFIG2: 0x70, _SYMBOLS: 0x64, 0x21: 0x08, _LENGTH: 0x01, 0x23: 0xFF, _CONFIG3: 0x04, 0x31: 0xC3, _INVERT: 0x27,
    0x37: 0x0A, _SYNC: 0x12, 0x3B: 0x1D, _VERSION: 0x12, 0x4D: 0x84,
}  # fmt: skip

_LORA = 0x80
_SLEEP, _STANDBY, _TX, _RX_CONTINUOUS, _RX_SINGLE, _CAD = 0, 1, 3, 5, 6, 7
_RX_TIMEOUT, _RX_DONE, _CRC_ERROR, _HEADER, _TX_DONE, _CAD_DONE, _CAD_DETECTED = 0x80, 0x40, 0x20, 0x10, 8, 4, 1
_DIO0 = (_RX_DONE, _TX_DONE, _CAD_DONE, 0)
_DIO1 = (_RX_TIMEOUT, 2, _CAD_DETECTED, 0)
_BW_HZ = (7800, 10400, 15600, 20800, 31250, 41700, 62500, 125000, 250000, 500000)
_HF_HZ = 779_000_000


class Sx1276(AirRadio):
    """One chip. select() begins an access, exchange() is one of its bytes; dio0 and dio1 are the pins' levels."""

    def __init__(self, air):
        super().__init__(air)
        self.reset()

    def reset(self) -> None:
        """Power-up or the pin NRESET: everything is as it was made, what was sent or received is gone."""
        self.stand_by()
        self.registers = bytearray(128)
        for address, value in _AT_RESET.items():
            self.registers[address] = value
        self.fifo = bytearray(256)
        self._other_page = bytearray(128)  # FSK and OOK
        self._filled = 0
        self._address = None

    @property
    def dio0(self) -> bool:
        return bool(self.registers[_FLAGS] & _DIO0[self.registers[_DIO] >> 6])

    @property
    def dio1(self) -> bool:
        return bool(self.registers[_FLAGS] & _DIO1[self.registers[_DIO] >> 4 & 3])

    def select(self) -> None:
        """NSS falls."""
        self._address = None

    def exchange(self, value: int, now: int) -> int:
        """A byte on MOSI that is over now; returns the one that was on MISO."""
        self.look(now)
        if self._address is None:
            self._address = value
            return 0
        address = self._address & 0x7F
        if address != _FIFO:  # the FIFO's own address stays
            self._address = self._address & 0x80 | (address + 1) & 0x7F
        if not self._address & 0x80:
            return self._get(address, now)
        self._put(address, value, now)
        return 0

    def _get(self, address: int, now: int) -> int:
        if address == _FIFO:
            value = self.fifo[self.registers[_POINTER]]
            self.registers[_POINTER] = (self.registers[_POINTER] + 1) & 255
            return 0 if self._mode() == _SLEEP else value
        if address == _RSSI_NOW:
            return max(0, min(255, self.air.power_dbm(self, self._read_settings(False), now) + self._rssi_offset()))
        return self._page(address)[address]

    def _put(self, address: int, value: int, now: int) -> None:
        if address == _FIFO:
            if self._mode() != _SLEEP:
                self.fifo[self.registers[_POINTER]] = value
                self.registers[_POINTER] = (self.registers[_POINTER] + 1) & 255
        elif address == _MODE:
            self._set_mode(value, now)
        elif address == _FLAGS and self._is_lora():
            self.registers[_FLAGS] &= ~value & 255
        elif address not in _READ_ONLY:
            self._page(address)[address] = value

    def _page(self, address: int):
        return self.registers if self._is_lora() or not _PAGE_BEGIN <= address < _PAGE_END else self._other_page

    def _is_lora(self) -> bool:
        return bool(self.registers[_MODE] & _LORA)

    def _mode(self) -> int:
        return self.registers[_MODE] & 7

    def _set_mode(self, value: int, now: int) -> None:
        if self._mode() != _SLEEP:  # only asleep does it take another modem
            value = value & ~_LORA | self.registers[_MODE] & _LORA
        before, self.registers[_MODE] = self.registers[_MODE], value
        if value == before and value & 7 != _TX:
            return
        self.stand_by()
        mode = value & 7
        if mode == _SLEEP:
            self.fifo = bytearray(256)
        if not self._is_lora():
            return
        if mode == _TX:
            self._begin_tx(now)
        elif mode in (_RX_CONTINUOUS, _RX_SINGLE):
            self._begin_rx(mode == _RX_SINGLE, now)
        elif mode == _CAD:
            self._detect(now)

    def _begin_tx(self, now: int) -> None:
        base, size = self.registers[_TX_BASE], self.registers[_LENGTH]
        packet = bytes([self.fifo[(base + place) & 255] for place in range(size)])
        self.transmit(packet, self._read_settings(True), bool(self.registers[_CONFIG2] & 4), self._dbm(), now)

    def _begin_rx(self, single: bool, now: int) -> None:
        settings = self._read_settings(False)
        self._filled = self.registers[_RX_BASE]
        symbols = (self.registers[_CONFIG2] & 3) << 8 | self.registers[_SYMBOLS]
        self.receive(settings, now, now + symbols * symbol_ns(settings) if single else None)

    def _detect(self, now: int) -> None:
        """Channel activity detection, here without the two symbols that it takes."""
        settings = self._read_settings(False)
        busy = any(
            each.start <= now < each.end and each.settings[:3] == settings[:3]
            for each in self.air.flights
            if each.sender is not self
        )
        self._flag(_CAD_DONE | (_CAD_DETECTED if busy else 0))
        self._stop()

    def _read_settings(self, sends: bool):
        registers = self.registers
        frf = registers[_FRF] << 16 | registers[_FRF + 1] << 8 | registers[_FRF + 2]
        inverted = not registers[_INVERT] & 1 if sends else bool(registers[_INVERT] & 0x40)
        return Modulation(
            frf * 15625 // 256,
            registers[_CONFIG2] >> 4,
            _BW_HZ[registers[_CONFIG1] >> 4],
            4 + (registers[_CONFIG1] >> 1 & 7),
            registers[_PREAMBLE] << 8 | registers[_PREAMBLE + 1],
            registers[_SYNC],
            inverted,
            not registers[_CONFIG1] & 1,
        )

    def _dbm(self) -> int:
        """Power at the antenna pin that is chosen, in whole dB."""
        setting = self.registers[_PA]
        if setting & 0x80:
            return 2 + (setting & 15)
        return (108 + 6 * (setting >> 4 & 7)) // 10 - 15 + (setting & 15)

    def _rssi_offset(self) -> int:
        return 157 if self._read_settings(False).hz >= _HF_HZ else 164

    # --- what happens on the air ---

    def _sent(self) -> None:
        self._flag(_TX_DONE)
        self._stop()

    def _timed_out(self) -> None:
        self._flag(_RX_TIMEOUT)
        self._stop()

    def _found(self, flight) -> None:
        self._flag(_HEADER)

    def _heard(self, flight, packet, valid) -> None:
        self.registers[_RX_CURRENT] = self._filled
        for byte in packet:  # behind the packet before, whether that was read or not
            self.fifo[self._filled] = byte
            self._filled = (self._filled + 1) & 255
        self.registers[_COUNT] = len(packet)
        snr = max(-128, min(127, self.air.snr_quarter_db(flight, self)))
        self.registers[_SNR] = snr & 255
        # Below the noise the register counts the signal's part only.
        rssi = self.air.rssi_dbm(flight, self) - min(0, snr // 4)
        self.registers[_RSSI] = max(0, min(255, rssi + self._rssi_offset()))
        self._flag(_RX_DONE | (0 if valid else _CRC_ERROR))
        if self._mode() == _RX_SINGLE:
            self._stop()

    def _flag(self, flags: int) -> None:
        self.registers[_FLAGS] |= flags & ~self.registers[_MASK]

    def _stop(self) -> None:
        self.stand_by()
        self.registers[_MODE] = self.registers[_MODE] & ~7 | _STANDBY
