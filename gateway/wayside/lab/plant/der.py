"""An inverter and a battery that take set-points by SunSpec models 703 and 704, and fall back by themselves.

What is written waits until its enable register is written: then it is latched as a whole, and the reversion timer
begins, or ends where its time is 0 (DER Information Model Specification, section 3.2). What is latched is in force
after a delay, the power follows by a ramp, a battery loses a part of what goes through it. Powers are whole milliwatts
and positive where they are generated, as SunSpec counts; time is in whole milliseconds of the plant's clock.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wayside_wire import modbus

from wayside.south.modbus.sunspec_model import definition

from .sunspec import Points, SunSpecDevice

_VOLTAGE = 2300  # tenths of a volt
_MWMS_PER_WH = 3_600_000_000
_ENABLED = 1
_OFF, _RUNNING = 0, 3  # of 701 InvSt
_KEEPS_PERCENT = 95  # of what goes into a battery, and of what comes out of it


class _Function(NamedTuple):
    """One function of model 704: what its enable register latches, and to what each of it reverts."""

    enable: str
    latches: tuple[str, ...]
    reverts: Mapping[str, str]

    @property
    def reverted(self) -> str:
        return f"{self.enable}Rvrt"

    @property
    def seconds(self) -> str:
        return self.enable.removesuffix("Ena") + "RvrtTms"

    @property
    def left(self) -> str:
        return self.enable.removesuffix("Ena") + "RvrtRem"


LIMIT = _Function("WMaxLimPctEna", ("WMaxLimPct",), {"WMaxLimPct": "WMaxLimPctRvrt"})
SET = _Function("WSetEna", ("WSetMod", "WSet", "WSetPct"), {"WSet": "WSetRvrt", "WSetPct": "WSetPctRvrt"})
REACTIVE = _Function("VarSetEna", ("VarSetMod", "VarSet"), {"VarSet": "VarSetRvrt"})
FACTOR = _Function(
    "PFWInjEna", ("PFWInj.PF", "PFWInj.Ext"), {"PFWInj.PF": "PFWInjRvrt.PF", "PFWInj.Ext": "PFWInjRvrt.Ext"}
)
_FUNCTIONS = (LIMIT, SET, REACTIVE, FACTOR)

_FACTORS: dict[str, Any] = {"PF": 1000, "Ext": 0}
_CONTROLS: dict[str, Any] = {
    **{point: 0 for each in _FUNCTIONS for point in (each.enable, each.reverted, each.seconds, each.left)},
    "WMaxLimPct": 1000, "WMaxLimPctRvrt": 1000, "WSetMod": 1, "WSet": 0, "WSetRvrt": 0, "VarSetMod": 4, "VarSet": 0,
    "VarSetRvrt": 0, "PF_SF": -3, "WMaxLimPct_SF": -1, "WSet_SF": 0, "VarSet_SF": 0,
    "PFWInj": _FACTORS, "PFWInjRvrt": _FACTORS, "PFWAbs": _FACTORS, "PFWAbsRvrt": _FACTORS,
}  # fmt: skip


class Der(SunSpecDevice):
    """What inverter and battery have in common. power_mw: what it generates now.

    refuses: each write is answered with an exception; ignores: it is acknowledged and lost; sticks: what is latched is
    never in force.
    """

    def __init__(
        self,
        name: str,
        w_max: int,
        phases: Sequence[int],
        capacity: Mapping[str, int],
        more: Mapping[int, Mapping[str, Any]],
        delay_ms: int,
        ramp_w_per_s: int,
    ):
        """capacity: further points of model 702; more: further models; phases: those it feeds, 0 to 2."""
        measured = {"ACType": 2, "W_SF": 0, "V_SF": -1, "A_SF": -2, "Hz_SF": -2, "TotWh_SF": 0, "TotWhInj": 0}
        models: dict[int, Points] = {
            1: {"Mn": "Wayside", "Md": name, "SN": f"PLANT-{name}", "DA": 1},
            701: {**measured, "TotWhAbs": 0, **{f"WL{i + 1}": 0 for i in phases}},
            702: {"WMaxRtg": w_max, "WMax": w_max, "VAMax": w_max, "W_SF": 0, "VA_SF": 0, **capacity},
            703: {"ES": _ENABLED},
            704: _CONTROLS,
            **more,
        }
        super().__init__(models)
        self.w_max = w_max
        self.phases = tuple(phases)
        self.power_mw = 0
        self.refuses = self.ignores = self.sticks = False
        self._delay_ms = delay_ms
        self._ramp_w_per_s = ramp_w_per_s
        self._now_ms = 0
        self._in_force: dict[str, dict[str, int]] = {}
        self._pending: list[tuple[int, str, dict[str, int] | None]] = []
        self._ends_ms: dict[str, int] = {}
        self._given_mwms = self._taken_mwms = 0
        self._writable = set(_writable(self.places))
        self._at_start = bytes(self.registers)

    def write(self, address: int, registers: bytes) -> None:
        """As SunSpecDevice.write; a read-only register refuses, and an enable register latches."""
        if self.refuses:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.DEVICE_FAILURE)
        if self.ignores:
            return
        start = self._place(address, len(registers) // 2)
        written = set(range(start, start + len(registers)))
        if not written <= self._writable:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)
        super().write(address, registers)
        for each in _FUNCTIONS:
            if self.places[704, each.enable][0] in written:
                self._latch(each)

    def reboot(self) -> None:
        """It starts anew: nothing that was written is left; what a battery has stored stays."""
        self.registers[:] = self._at_start
        self._in_force.clear()
        self._pending.clear()
        self._ends_ms.clear()
        self.power_mw = 0

    def share_mw(self, phase: int) -> int:
        """What it generates on one phase, 0 to 2."""
        return self.power_mw // len(self.phases) if phase in self.phases else 0

    def set_point(self, function: _Function) -> Mapping[str, int] | None:
        """What is in force of a function, None: nothing."""
        return self._in_force.get(function.enable)

    def _latch(self, function: _Function) -> None:
        is_on = self.get(704, function.enable) == _ENABLED
        seconds = self.get(704, function.seconds)
        self._ends_ms.pop(function.enable, None)
        if is_on and seconds:
            self._ends_ms[function.enable] = self._now_ms + 1000 * seconds
        self.put(704, function.left, seconds if is_on else 0)
        values = {point: self.get(704, point) for point in function.latches} if is_on else None
        self._pending.append((self._now_ms + self._delay_ms, function.enable, values))

    def _advance(self, now_ms: int) -> None:
        """Timers, and what is due of what was latched."""
        self._now_ms = now_ms
        if self._ends_ms:
            self._end_timers()
        if not self._pending:
            return
        due = [each for each in self._pending if each[0] <= now_ms]
        self._pending = [each for each in self._pending if each[0] > now_ms]
        for _, enable, values in due:
            if values is None:
                self._in_force.pop(enable, None)
            elif not self.sticks:
                self._in_force[enable] = values

    def _end_timers(self) -> None:
        for function in _FUNCTIONS:
            ends_ms = self._ends_ms.get(function.enable)
            if ends_ms is not None and self._now_ms >= ends_ms:
                for point, source in function.reverts.items():
                    self.put(704, point, self.get(704, source))
                self.put(704, function.enable, self.get(704, function.reverted))
                self.put(704, function.seconds, 0)
                self._latch(function)

    def _approach(self, target_mw: int, step_ms: int) -> None:
        """Go from the power of now to another one, as fast as the ramp lets it."""
        most = self._ramp_w_per_s * step_ms
        self.power_mw += max(-most, min(most, target_mw - self.power_mw))

    def _count(self, step_ms: int) -> None:
        if self.power_mw > 0:
            self._given_mwms += self.power_mw * step_ms
        else:
            self._taken_mwms -= self.power_mw * step_ms

    def _wanted_mw(self) -> int | None:
        """The active power that is set, None: none is."""
        values = self.set_point(SET)
        if values is None:
            return None
        if values["WSetMod"] == _ENABLED:
            return self._scaled(_signed(values["WSet"], 32), "WSet_SF", 3)
        return self.w_max * self._scaled(_signed(values["WSetPct"], 16), "WSetPct_SF", 1)

    def _scaled(self, count: int, scale: str, more: int) -> int:
        """The count times ten to the power of its scale factor and of `more`."""
        exponent = _signed(self.get(704, scale), 16) + more
        return int(count * 10**exponent if exponent >= 0 else count // 10**-exponent)

    def _limited_mw(self, power_mw: int) -> int:
        """What may be generated of it."""
        values = self.set_point(LIMIT)
        thousandths = self._scaled(values["WMaxLimPct"], "WMaxLimPct_SF", 1) if values else 1000
        most = self.w_max * thousandths
        return 0 if self.get(703, "ES") != _ENABLED else min(power_mw, most)

    def read(self, function: int, address: int, count: int) -> bytes:
        """As SunSpecDevice.read, of this moment."""
        self._show()
        return super().read(function, address, count)

    def _show(self) -> None:
        """What changes by itself: model 701, and how much of each timer is left."""
        for function in _FUNCTIONS:
            if (ends_ms := self._ends_ms.get(function.enable)) is not None:
                self.put(704, function.left, -(-(ends_ms - self._now_ms) // 1000))
        watts = _rounded(self.power_mw)
        self.put(701, "W", watts)
        self.put(701, "VA", abs(watts))
        self.put(701, "InvSt", _RUNNING if watts else _OFF)
        self.put(701, "ConnSt", int(self.get(703, "ES") == _ENABLED))
        self.put(701, "LNV", _VOLTAGE)
        self.put(701, "Hz", 5000)
        self.put(701, "A", abs(watts) * 1000 // _VOLTAGE // len(self.phases))
        self.put(701, "TotWhInj", self._given_mwms // _MWMS_PER_WH)
        self.put(701, "TotWhAbs", self._taken_mwms // _MWMS_PER_WH)
        for phase in self.phases:
            self.put(701, f"WL{phase + 1}", _rounded(self.share_mw(phase)))


class Inverter(Der):
    """Solar modules behind an inverter: what the sun gives, less where it is told."""

    def __init__(self, w_max: int = 8000, phases: Sequence[int] = (0, 1, 2), delay_ms: int = 300):
        curve = {"ActPt": 4, "DeptRef": 1, "Pri": 1, "VRef": 1000, "VRefAutoEna": 0, "RspTms": 5, "ReadOnly": 1}
        points = [{"V": 920, "Var": 440}, {"V": 980, "Var": 0}, {"V": 1020, "Var": 0}, {"V": 1080, "Var": -440}]
        reactive = {
            "Ena": 0, "AdptCrvReq": 0, "AdptCrvRslt": 0, "NPt": 4, "NCrv": 1, "RvrtTms": 0, "RvrtRem": 0, "RvrtCrv": 0,
            "V_SF": -1, "DeptRef_SF": -1, "RspTms_SF": 0, "Crv": [{**curve, "Pt": points}],
        }  # fmt: skip
        super().__init__("PV", w_max, phases, {}, {705: reactive}, delay_ms, ramp_w_per_s=2 * w_max)

    def tick(self, now_ms: int, step_ms: int, sun_mw: int) -> None:
        """sun_mw: what the modules could give."""
        self._advance(now_ms)
        could_mw = min(sun_mw, 1000 * self.w_max)
        wanted_mw = self._wanted_mw()
        target_mw = could_mw if wanted_mw is None else max(0, min(could_mw, wanted_mw))
        self._approach(self._limited_mw(target_mw), step_ms)
        self.power_mw = min(self.power_mw, could_mw)
        self._count(step_ms)


class Battery(Der):
    """A battery with its inverter. While nothing is set it rests, or balances the grid meter where it `balances`.

    stored_mwms: milliwatt milliseconds in it.
    """

    def __init__(
        self,
        watt_hours: int = 10_000,
        w_max: int = 5000,
        phases: Sequence[int] = (0, 1, 2),
        charge_percent: int = 50,
        balances: bool = False,
        delay_ms: int = 500,
    ):
        most = {"WChaRteMax": w_max, "WDisChaRteMax": w_max, "WChaRteMaxRtg": w_max, "WDisChaRteMaxRtg": w_max}
        storage = {713: {"WHRtg": watt_hours // 10, "WHAvail": 0, "WH_SF": 1, "SoC": 0, "Pct_SF": -1, "Sta": 0}}
        super().__init__("Battery", w_max, phases, most, storage, delay_ms, ramp_w_per_s=w_max)
        self.balances = balances
        self.capacity_mwms = watt_hours * _MWMS_PER_WH
        self.stored_mwms = self.capacity_mwms * charge_percent // 100

    def tick(self, now_ms: int, step_ms: int, grid_mw: int) -> None:
        """grid_mw: what the grid meter showed last, positive from the grid."""
        self._advance(now_ms)
        wanted_mw = self._wanted_mw()
        if wanted_mw is None:
            wanted_mw = self.power_mw + grid_mw if self.balances else 0
        most = 1000 * self.w_max
        self._approach(self._limited_mw(max(-most, min(most, wanted_mw))), step_ms)
        if self.power_mw > 0:
            self.power_mw = min(self.power_mw, self.stored_mwms * _KEEPS_PERCENT // 100 // step_ms)
            self.stored_mwms -= self.power_mw * step_ms * 100 // _KEEPS_PERCENT
        else:
            room = (self.capacity_mwms - self.stored_mwms) * 100 // _KEEPS_PERCENT // step_ms
            self.power_mw = max(self.power_mw, -room)
            self.stored_mwms -= self.power_mw * step_ms * _KEEPS_PERCENT // 100
        self.stored_mwms = max(0, min(self.capacity_mwms, self.stored_mwms))
        self._count(step_ms)

    def _show(self) -> None:
        super()._show()
        self.put(713, "SoC", 1000 * self.stored_mwms // self.capacity_mwms)
        self.put(713, "WHAvail", self.stored_mwms // _MWMS_PER_WH // 10)


def _writable(places: Mapping[tuple[int, str], tuple[int, int]]) -> Sequence[int]:
    """The bytes that the definitions let be written."""
    found: list[int] = []
    for (model, name), (at, size) in places.items():
        group: Any = definition(model)
        *outer, last = name.split(".")
        for inner in outer:
            group = next(each for each in group["groups"] if each["name"] == inner)
        point = next(each for each in group["points"] if each["name"] == last)
        if point.get("access") == "RW":
            found += range(at, at + size)
    return found


def _signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> width - 1 else bits


def _rounded(milliwatts: int) -> int:
    return (milliwatts + 500) // 1000
