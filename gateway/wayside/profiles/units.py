"""Units that registers use, and how each becomes a SenML unit without a float.

The names on the right are those of the IANA registry "SenML Units" (RFC 8428 section 12.1); what people and manuals
write is on the left.
"""

from typing import NamedTuple


class Unit(NamedTuple):
    """One of the register's unit is `factor * 10**power / divisor` of the SenML unit.

    Where the divisor is not 1 no decimal says the same: the reading is rounded half to even, and `power` gives it more
    digits than the register has (one count is 27 or more in the last place), so that the count can be told from it.
    """

    senml: str
    factor: int = 1
    power: int = 0
    divisor: int = 1


UNITS = {
    "V": Unit("V"),
    "mV": Unit("V", 1, -3),
    "kV": Unit("V", 1, 3),
    "A": Unit("A"),
    "mA": Unit("A", 1, -3),
    "kA": Unit("A", 1, 3),
    "W": Unit("W"),
    "kW": Unit("W", 1, 3),
    "MW": Unit("W", 1, 6),
    "var": Unit("var"),
    "kvar": Unit("var", 1, 3),
    "Mvar": Unit("var", 1, 6),
    "VA": Unit("VA"),
    "kVA": Unit("VA", 1, 3),
    "MVA": Unit("VA", 1, 6),
    "Hz": Unit("Hz"),
    "mHz": Unit("Hz", 1, -3),
    "J": Unit("J"),
    "kJ": Unit("J", 1, 3),
    "MJ": Unit("J", 1, 6),
    "GJ": Unit("J", 1, 9),
    "Wh": Unit("J", 36, 2),
    "kWh": Unit("J", 36, 5),
    "MWh": Unit("J", 36, 8),
    "GWh": Unit("J", 36, 11),
    "varh": Unit("vars", 36, 2),
    "kvarh": Unit("vars", 36, 5),
    "Mvarh": Unit("vars", 36, 8),
    "VAh": Unit("VAs", 36, 2),
    "kVAh": Unit("VAs", 36, 5),
    "MVAh": Unit("VAs", 36, 8),
    "Ah": Unit("C", 36, 2),
    "mAh": Unit("C", 36, -1),
    "Ohm": Unit("Ohm"),
    "mOhm": Unit("Ohm", 1, -3),
    "kOhm": Unit("Ohm", 1, 3),
    "1": Unit("/"),
    "%": Unit("/", 1, -2),
    "ppm": Unit("/", 1, -6),
    "%RH": Unit("%RH"),
    "deg": Unit("deg"),
    "Cel": Unit("Cel"),
    "K": Unit("K"),
    "Pa": Unit("Pa"),
    "hPa": Unit("Pa", 1, 2),
    "mbar": Unit("Pa", 1, 2),
    "kPa": Unit("Pa", 1, 3),
    "bar": Unit("Pa", 1, 5),
    "ms": Unit("s", 1, -3),
    "s": Unit("s"),
    "min": Unit("s", 6, 1),
    "h": Unit("s", 36, 2),
    "d": Unit("s", 864, 2),
    "rpm": Unit("1/min"),
    "l": Unit("l"),
    "m3": Unit("m3"),
    "l/s": Unit("l/s"),
    "l/min": Unit("l/s", 500, -4, 3),
    "l/h": Unit("l/s", 250, -5, 9),
    "m3/s": Unit("m3/s"),
    "m3/h": Unit("m3/s", 2500, -6, 9),
    "m/s": Unit("m/s"),
    "m": Unit("m"),
    "mm": Unit("m", 1, -3),
    "kg": Unit("kg"),
    "W/m2": Unit("W/m2"),
    "lx": Unit("lx"),
}
