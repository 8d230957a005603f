"""Whatever is written into a profile: it is refused with its line, or every register content makes a reading."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles.test_meaning import HEAD, PARTS
from wayside import profiles
from wayside.profiles import ProfileError
from wayside.profiles.node import for_node
from wayside.profiles.units import UNITS
from wayside_wire import modbus_field, modbus_plan

TYPES = [
    "u16",
    "s16",
    "u32",
    "s32",
    "u48",
    "u64",
    "s64",
    "f32",
    "f64",
    "bits16",
    "bits32",
    "bcd16",
    "bcd64",
    "bit",
    "text",
]
ADDRESS = st.one_of(
    st.integers(40_001, 40_012),
    st.sampled_from([0, 1, 2, 10_001, 30_001, 105_536, 70_000]),
    st.lists(st.integers(40_001, 40_070), min_size=0, max_size=5),
)
MISSING = st.lists(
    st.sampled_from(["all-ones", "max-signed", "min-signed", 0, -1, -32_768, 0x8000, 1 << 70]), max_size=3
)
FRACTION = st.sampled_from([0, 1, 5, -1, "1/32000", "1000/3", "0.5", "1/0", "x", "-40", 0.5, 10**20])
UNIT = st.sampled_from([*sorted(UNITS), "volt"])
TERM: dict[str, st.SearchStrategy[Any]] = {
    "area": st.sampled_from(["holding", "input", "coil", "discrete", "other"]),
    "type": st.sampled_from([*TYPES, "u24"]),
    "registers": st.integers(0, 5),
    "word_order": st.sampled_from(["big", "little"]),
    "byte_order": st.sampled_from(["big", "little"]),
    "missing": MISSING,
    "exponent": st.integers(-10, 9),
    "raw_exponent": st.integers(-3, 3),
    "factor": FRACTION,
    "offset": FRACTION,
    "sign": st.sampled_from(["plain", "negated", "magnitude"]),
    "mask": st.sampled_from([0, 1, 0xFF, 0xF0F, 0xFFFF, 1 << 40, -1]),
}


def few(keys: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At most three of `keys`: with more at once hardly anything would be right."""
    chosen = st.lists(st.sampled_from(sorted(keys)), max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keys[name] for name in names}))


def channel(keys: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    placed = st.fixed_dictionaries({"address": ADDRESS, "unit": st.one_of(st.just("1"), UNIT)})
    return st.tuples(placed, few(keys)).map(lambda parts: parts[0] | parts[1])


CHANNEL = TERM | {
    "scale_register": st.integers(40_001, 40_020),
    "plus": st.lists(channel({"type": TERM["type"], "factor": FRACTION, "sign": TERM["sign"]}), max_size=2),
    "ratio": st.sampled_from(["ct", "vt", "ct*vt"]),
    "stride": st.integers(0, 40_000),
    "rollover": st.integers(1, 10**12),
    "meanings": st.dictionaries(st.sampled_from(["0", "1", "-1", "15", "70000", "x"]), st.just("m"), max_size=3),
    "default": st.booleans(),
}
NAMES = st.sampled_from(["voltage_l1", "energy_active_import", "state", "power_active", "x", "Y", "energy_x"])


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


@given(
    st.dictionaries(NAMES, channel(CHANNEL), min_size=1, max_size=2),
    st.sampled_from([HEAD, PARTS]),
    st.binary(min_size=140, max_size=140),
    st.integers(-32_768, 32_767),
)
def test_refused_or_readable(
    tmp_path_factory: pytest.TempPathFactory, channels: dict[str, Any], head: str, raw: bytes, scale: int
) -> None:
    path = tmp_path_factory.mktemp("p") / "x.toml"
    path.write_text(head + "\n".join(f"{name} = {toml(keys)}" for name, keys in channels.items()))
    try:
        profile = profiles.load_file(path)
    except ProfileError as error:
        assert all("x.toml:" in problem for problem in error.problems), error.problems
        return
    site = profile
    for ratio, key in (("ct", "ct"), ("vt", "vt")):
        if any(ratio in one for one in profile.ratios.values()):
            site = site.for_site(**{key: Fraction(1000, 6)})
    fields = site.select(site.fields)
    for field in fields:
        mantissa, reason = modbus_field.decode(field, raw[: 2 * field.count], 0 if field.scale is None else scale)
        assert (mantissa is None) == bool(reason)
        assert mantissa is None or -(2**63) <= mantissa < 2**63
        if mantissa is not None:
            site.meaning(field.channel, mantissa)
    blocks = modbus_plan.plan(fields, site.max_registers, 18, step=site.step)
    assert {field.channel for block in blocks for field in block.fields} == set(site.fields)
    assert all(block.count <= site.max_registers and block.address + block.count <= 65_536 for block in blocks)
    assert len(for_node(site, site.fields)["channels"]) == len(site.fields)
