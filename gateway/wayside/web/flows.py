"""Energy flows: what goes in and out of the site's bus bar at this moment, in W; the rest where all of it is known.

Powers count as the consumer's, as everywhere in Wayside: what a device draws is positive. So the grid's meter says what
the site draws, a solar inverter or a battery that delivers is negative, and with all of them known Kirchhoff's rule
gives what the rest of the site draws: the grid's share less that of every other device.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from wayside.web.table import FlowTable

_STALE_S = 60.0  # older is no flow of this moment; reports come every 10 s where nothing else is said


def flows(wanted: Sequence[FlowTable], devices: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any] | None:
    """{"parts": [{kind, device, watts, why}], "rest": {watts, why}}; None where the site file wants no flows.

    devices: as in the recorder's state. watts: the text of an exact decimal, None with the reason in `why`.
    """
    if not wanted:
        return None
    parts = [_part(flow, devices.get(flow.device, ())) for flow in wanted]
    return {"parts": parts, "rest": _rest(parts)}


def _part(flow: FlowTable, readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = next((each for each in readings if each["channel"] == flow.channel), None)
    watts, why = None, ""
    if found is None:
        why = "nothing heard yet"
    elif found["value"] is None or found["quality"] in ("bad", "stale"):
        why = found["reason"] or "no value"
    elif found["unit"] != "W":
        why = f"{flow.channel} is in {found['unit'] or 'no unit'}, not in W"
    elif found["age_s"] > _STALE_S:
        why = f"last heard {found['age_s']:.0f} s ago"
    else:
        value = Decimal(found["value"])
        watts = format(-value if flow.reversed else value, "f")
    return {"kind": flow.kind, "device": flow.device, "watts": watts, "why": why}


def _rest(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    unknown = [part["device"] for part in parts if part["watts"] is None]
    if all(part["kind"] != "grid" for part in parts):
        return {"watts": None, "why": "no device of kind grid"}
    if unknown:
        return {"watts": None, "why": f"not known: {', '.join(unknown)}"}
    signs = {True: 1, False: -1}
    total = sum((signs[part["kind"] == "grid"] * Decimal(part["watts"]) for part in parts), Decimal(0))
    return {"watts": format(total, "f"), "why": ""}
