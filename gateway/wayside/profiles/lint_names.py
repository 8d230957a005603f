"""What the name of a channel or control promises: the units it can be in, and how fine its readings have to be."""

from collections.abc import Iterator

from .fields import kind_of
from .model import ChannelTable, ControlTable, DefaultsTable
from .units import UNITS

ENERGY = "energy_"
"""What the names of counters begin with."""

MISNAMED = "a channel called"  # the draft of an import gives such a channel another name

_FREE = "value_"  # such a name promises nothing
_POWER = {"active": "W", "reactive": "var", "apparent": "VA"}
_COUNT = {"active": "J", "reactive": "vars", "apparent": "VAs"}

# By a word of the name: the SenML units that the quantity can have.
_QUANTITIES = {
    "voltage": ("V",),
    "current": ("A",),
    "power": tuple(_POWER.values()),
    "energy": tuple(_COUNT.values()),
    "factor": ("/",),
    "frequency": ("Hz",),
    "temperature": ("Cel", "K"),
    "temp": ("Cel", "K"),
    "humidity": ("%RH", "/"),
    "pressure": ("Pa",),
    "flow": ("l/s", "m3/s"),
    "volume": ("l", "m3"),
    "angle": ("deg",),
    "resistance": ("Ohm",),
    "speed": ("m/s", "1/min"),
    "irradiance": ("W/m2",),
    "illuminance": ("lx",),
    "hours": ("s",),
    "duration": ("s",),
    "soc": ("/",),
    "soh": ("/",),
}
# With one of these the value may be a share, a state or a number of the quantity, and have no unit.
_NUMBERS = frozenset(
    {
        "thd", "tdd", "distortion", "harmonic", "harmonics", "unbalance", "imbalance", "asymmetry", "ratio", "share",
        "percent", "level", "limit", "setpoint", "derating", "state", "status", "mode", "flag", "flags", "alarm",
        "alarms", "fault", "faults", "error", "errors", "warning", "warnings", "code", "count", "number", "index",
        "enabled", "valid", "sequence", "direction", "source", "type", "control", "quality", "phases",
    }
)  # fmt: skip
# How coarse a reading may be that is rounded to its exponent, in SenML units: the value of an ordinary low-voltage
# device has still two or three digits then. Energy: 0.1 kWh has 36 * 10^4 J.
_COARSEST = {
    "V": -1, "A": -2, "W": 0, "var": 0, "VA": 0, "Hz": -2, "J": 4, "vars": 4, "VAs": 4, "C": 1, "Cel": -1, "K": -1,
    "deg": -1, "Pa": 2, "%RH": 0, "l": 0, "m3": -2, "l/s": -2, "m3/s": -5, "m/s": -1, "s": 1, "m": -2, "Ohm": 0,
    "1/min": 0, "kg": 0, "lx": 0, "W/m2": 0,
}  # fmt: skip
_FINEST = -9


def problems(name: str, keys: ChannelTable | ControlTable) -> Iterator[str]:
    """A unit that the quantity of this name does not have."""
    senml = UNITS[keys.unit].senml
    quantity, allowed = _quantity(name)
    if allowed and senml not in allowed:
        units = [unit for unit, one in UNITS.items() if one.senml in allowed]
        yield f'unit = "{keys.unit}": {MISNAMED} {quantity} is in {", ".join(units)}; give it another name or unit'


def coarse(name: str, channel: ChannelTable, defaults: DefaultsTable) -> Iterator[str]:
    """A reading that is rounded to fewer digits than there are in the value."""
    kind = kind_of(channel, defaults)
    is_power_factor = _quantity(name)[0] == "factor"
    if kind[0] != "f" and channel.scale_register is None and not is_power_factor:
        return  # a whole number has no more digits than its count
    needed = coarsest(channel.unit, channel.raw_exponent)
    if is_power_factor and channel.unit == "1":
        needed = min(needed, -2)
    if channel.exponent > needed:
        yield (
            f"exponent = {channel.exponent}: would be rounded to 10^{channel.exponent} {channel.unit}, and what it "
            f"measures would be lost; write exponent = {needed} or less"
        )


def coarsest(unit: str, raw_exponent: int = 0) -> int:
    """The greatest exponent that a rounded reading may have where the register is in this unit, times 10^raw."""
    senml, _, power, _ = UNITS[unit]
    return max(_FINEST, min(0, raw_exponent, _COARSEST.get(senml, power) - power))


def _quantity(name: str) -> tuple[str, frozenset[str]]:
    """(What the name says is measured, the SenML units that this can be in); ("", none) where it says nothing."""
    words = name.split("_")
    if name.startswith(ENERGY):
        # Whatever follows: it is watched, and paid, as a counter.
        quantities, numbers = ["energy"], False
    elif name.startswith(_FREE):
        quantities, numbers = [], False
    elif "power_factor" in name:
        quantities, numbers = ["factor"], False
    else:
        # The quantity stands first or last (temperature_flow, flow_temperature).
        quantities, numbers = [word for word in words if word in _QUANTITIES], bool(_NUMBERS.intersection(words))
    allowed = {unit for word in quantities for unit in _QUANTITIES[word]}
    called = quantities[-1] if quantities else ""
    which = next((word for word in words if word in _POWER), "")
    if which and called in ("power", "energy"):
        allowed -= {*_POWER.values(), *_COUNT.values()} - {_POWER[which], _COUNT[which]}
        called = f"{called}_{which}"
    if allowed and numbers:
        allowed.add("/")
    return called, frozenset(allowed)
