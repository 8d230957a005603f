"""A three-phase meter with the input registers of an Eastron SDM630.

Source: Eastron SDM630-Modbus V2 protocol: float32, high word first, at most 80 registers a request, even addresses.
"""

import math
import struct
import time
from collections.abc import Callable

from wayside_wire import modbus

from .load import House, Phase

MAX_REGISTERS = 80
_END = 0x017E  # first address after the input registers
_MWS_PER_KWH = 3_600_000_000
_SERIAL = 0xFC00  # holding registers: serial number, u32


_IMPORT_MWS = 1_234_567 * (_MWS_PER_KWH // 1000)
_EXPORT_MWS = 987_654 * (_MWS_PER_KWH // 1000)

Phases = tuple[Phase, Phase, Phase]


class SimulatedMeter:
    """Measures what it is given. Energy is the exact sum of the power, never goes back, and is kept in milliwatt
    seconds."""

    def __init__(self, seed: int, phases: Phases, import_mws: int = _IMPORT_MWS, export_mws: int = _EXPORT_MWS):
        """phases: what flows first; *_mws: the counters then."""
        self.serial = 20_000_000 + seed
        self.import_mws = [import_mws // 3] * 3
        self.export_mws = [export_mws // 3] * 3
        self.phases = phases
        self._seconds = 0
        self._frequency_phase = seed % 60
        self._registers: bytes | None = None

    def second(self, phases: Phases) -> None:
        """Count a second of what flows; from then on `phases` flows."""
        for i, phase in enumerate(self.phases):
            counter = self.import_mws if phase.active_mw > 0 else self.export_mws
            counter[i] += abs(phase.active_mw)
        self.phases = phases
        self._seconds += 1
        self._registers = None

    def advance(self) -> None:
        """Count every second that has passed, for who has a clock."""

    def read(self, function: int, address: int, count: int) -> bytes:
        """Registers as they go on the line; ModbusError with an exception code as the real meter answers."""
        if function == modbus.READ_HOLDING and address == _SERIAL and count == 2:
            return self.serial.to_bytes(4, "big")
        if function != modbus.READ_INPUT:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_FUNCTION)
        if count > MAX_REGISTERS or count % 2:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_VALUE)
        if address % 2 or address + count > _END:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)
        self.advance()
        if self._registers is None:
            self._registers = self._encode()
        return self._registers[2 * address : 2 * (address + count)]

    def write(self, address: int, registers: bytes) -> None:
        """The meter's settings cannot be changed over the line."""
        raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)

    def _encode(self) -> bytes:
        values = dict(enumerate(self._phase_values()))
        values.update(self._totals())
        return b"".join(struct.pack(">f", values.get(address // 2, 0.0)) for address in range(0, _END, 2))

    def _phase_values(self) -> list[float]:
        """Registers 0x00 to 0x28 in threes: V, A, W, VA, var, power factor, degrees."""
        rows = [_row(phase) for phase in self.phases]
        return [row[quantity] for quantity in range(7) for row in rows]

    def _totals(self) -> dict[int, float]:
        """The other registers, by half their address."""
        active = sum(phase.active_mw for phase in self.phases) / 1000
        reactive = sum(phase.reactive_mvar for phase in self.phases) / 1000
        apparent = math.hypot(active, reactive)
        rows = [_row(phase) for phase in self.phases]
        voltages = [row[0] for row in rows]
        currents = [row[1] for row in rows]
        frequency = 50 + 0.02 * math.sin((self._seconds + self._frequency_phase) / 37)
        between = [math.sqrt(a * a + b * b + a * b) for a, b in zip(voltages, voltages[1:] + voltages[:1], strict=True)]
        imported = [mws / _MWS_PER_KWH for mws in self.import_mws]
        exported = [mws / _MWS_PER_KWH for mws in self.export_mws]
        values = {
            0x2A: sum(voltages) / 3,
            0x2E: sum(currents) / 3,
            0x30: sum(currents),
            0x34: active,
            0x38: apparent,
            0x3C: reactive,
            0x3E: active / apparent if apparent else 1.0,
            0x42: math.degrees(math.atan2(reactive, active)),
            0x46: frequency,
            0x48: sum(self.import_mws) / _MWS_PER_KWH,
            0x4A: sum(self.export_mws) / _MWS_PER_KWH,
            0x54: active,
            0x56: 9200.0,
            0x64: apparent,
            0x66: 9300.0,
            0xCE: sum(between) / 3,
            0xE0: max(currents) - min(currents),
            0xF8: 1.6,
            0xFA: 6.0,
            0x156: (sum(self.import_mws) + sum(self.export_mws)) / _MWS_PER_KWH,
        }
        for i in range(3):
            values[0xC8 + 2 * i] = between[i]
            values[0xEA + 2 * i] = 1.5 + 0.1 * i
            values[0xF0 + 2 * i] = 5.0 + i
            values[0x102 + 2 * i] = currents[i]
            values[0x108 + 2 * i] = 16.0
            values[0x15A + 2 * i] = imported[i]
            values[0x160 + 2 * i] = exported[i]
            values[0x166 + 2 * i] = imported[i] + exported[i]
        return {address // 2: value for address, value in values.items()}


class Sdm630(SimulatedMeter):
    """Measures a House."""

    def __init__(
        self,
        seed: int = 1,
        clock: Callable[[], float] = time.monotonic,
        start_s: int = 11 * 3600,
        solar_peak_w: int = 6000,
        import_mws: int = _IMPORT_MWS,
        export_mws: int = _EXPORT_MWS,
    ):
        """clock: seconds, from any start; start_s: time of day at the first reading; *_mws: the counters then."""
        self._house = House(seed, start_s, solar_peak_w)
        self._clock = clock
        self._started = clock()
        super().__init__(seed, self._house.second(), import_mws, export_mws)

    def advance(self) -> None:
        """Count the energy of every second that has passed."""
        passed = int(self._clock() - self._started)
        while self._seconds < passed:
            self.second(self._house.second())


def _row(phase: Phase) -> tuple[float, ...]:
    active, reactive = phase.active_mw / 1000, phase.reactive_mvar / 1000
    apparent = math.hypot(active, reactive)
    voltage = phase.voltage_mv / 1000
    factor = active / apparent if apparent else 1.0
    return voltage, apparent / voltage, active, apparent, reactive, factor, math.degrees(math.atan2(reactive, active))
