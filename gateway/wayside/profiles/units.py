"""Units that registers use, and how each becomes a SenML unit without a float (RFC 8428 and RFC 8798)."""

from typing import NamedTuple


class Unit(NamedTuple):
    """One of the register's unit is `factor * 10**power` of the SenML unit."""

    senml: str
    factor: int = 1
    power: int = 0


UNITS = {
    "V": Unit("V"),
    "A": Unit("A"),
    "W": Unit("W"),
    "kW": Unit("W", 1, 3),
    "var": Unit("var"),
    "kvar": Unit("var", 1, 3),
    "VA": Unit("VA"),
    "kVA": Unit("VA", 1, 3),
    "Hz": Unit("Hz"),
    "Wh": Unit("J", 36, 2),
    "kWh": Unit("J", 36, 5),
    "MWh": Unit("J", 36, 8),
    "varh": Unit("vars", 36, 2),
    "kvarh": Unit("vars", 36, 5),
    "VAh": Unit("VAs", 36, 2),
    "kVAh": Unit("VAs", 36, 5),
    "Ah": Unit("C", 36, 2),
    "1": Unit("/"),
    "%": Unit("/", 1, -2),
    "deg": Unit("deg"),
    "Cel": Unit("Cel"),
    "s": Unit("s"),
    "min": Unit("s", 6, 1),
}
