"""The shipped profiles, the traps that each is known for, and errors that say what to write."""

import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from profiles.test_dumps import FOLDER
from wayside import profiles
from wayside.profiles import ProfileError
from wayside.profiles.units import UNITS
from wayside.values.reading import format_value
from wayside_wire import modbus_field, modbus_plan

SHIPPED = sorted(profiles.names() - {"sunspec"})  # SunSpec devices describe themselves: see test_sunspec


def decode(profile: str, channel: str, data: bytes | str, scale: int = 0) -> tuple[str, str]:
    """(value, SenML unit) of a channel's registers, or ("", reason)."""
    field = profiles.load(profile).fields[channel]
    raw = bytes.fromhex(data) if isinstance(data, str) else data
    assert len(raw) == 2 * field.count
    mantissa, reason = modbus_field.decode(field, raw, scale)
    return ("", reason) if mantissa is None else (format_value(mantissa, field.exponent), field.unit)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profile(name: str) -> None:
    profile = profiles.load(name)
    assert profile.name == name
    assert profile.defaults
    # Zero is what half of all registers hold: checks that all take it would name the wrong device.
    zero = [0 in check.expect if check.expect else check.min <= 0 <= check.max for check in profile.probe]
    assert not zero or not all(zero)
    blocks = modbus_plan.plan(list(profile.fields.values()), profile.max_registers, 18, step=profile.step)
    covered = [field.channel for block in blocks for field in block.fields]
    assert sorted(covered) == sorted(profile.fields)
    for block in blocks:
        assert block.count <= profile.max_registers
        for field in block.fields:
            assert block.address <= field.address and field.address + field.count <= block.address + block.count


def test_the_profiles_that_were_promised() -> None:
    families = [
        "sdm120",
        "sdm230",
        "sdm630",
        "sdm72d",
        "iem3155",
        "b23",
        "b24",
        "em340",
        "dtsu666",
        "umg96",
        "pzem-004t",
        "adw300",
        "pro-3em",
    ]
    for family in families:
        assert any(family in name for name in SHIPPED), family


@pytest.mark.parametrize(
    ("profile", "channel", "data", "value"),
    [
        ("eastron-sdm120", "voltage_l1", "4367af55", ("231.685", "V")),
        ("eastron-sdm630", "energy_active_import", struct.pack(">f", 12345.678).hex(), ("44444440800", "J")),
        ("eastron-sdm630", "voltage_l1", "7fc00000", ("", "not a number")),
        ("schneider-iem3155", "power_active", struct.pack(">f", -1.234567).hex(), ("-1234.567", "W")),
        ("schneider-iem3155", "energy_active_import", "00000002540be400", ("36000000000000", "J")),
        ("abb-b23", "voltage_l1", "000008fc", ("230.0", "V")),
        ("abb-b23", "voltage_l1", "ffffffff", ("", "no value")),
        ("abb-b23", "power_active", "fffffc18", ("-10.00", "W")),
        ("abb-b23", "power_active", "7fffffff", ("", "no value")),
        ("abb-b23", "power_active", "ffffffff", ("-0.01", "W")),
        ("abb-b24", "energy_active_import", "0000000000bc614e", ("444444408000", "J")),
        ("abb-b24", "energy_active_import", "ffffffffffffffff", ("", "no value")),
        ("carlo-gavazzi-em340", "voltage_l1", "08fc0000", ("230.0", "V")),
        ("carlo-gavazzi-em340", "power_active", "fc18ffff", ("-100.0", "W")),
        ("carlo-gavazzi-em340", "current_l1", "ffff7fff", ("", "no value")),
        ("chint-dtsu666", "voltage_l1", struct.pack(">f", 2301.0).hex(), ("230.1", "V")),
        ("chint-dtsu666", "frequency", struct.pack(">f", 4998.0).hex(), ("49.98", "Hz")),
        ("chint-dtsu666-ct", "voltage_l1", struct.pack(">f", 2301.0).hex(), ("230.1", "V")),
        ("pzem-004t-v3", "energy_active_import", "0001000f", ("3538947600", "J")),
        ("pzem-004t-v3", "current_l1", "03e80000", ("1.000", "A")),
        ("janitza-umg96", "energy_active_import", struct.pack(">f", 123456.0).hex(), ("444441600", "J")),
        ("acrel-adw300", "energy_active_export", "000004d2", ("44424000", "J")),
        ("shelly-pro-3em", "voltage_l1", "80004366", ("230.500", "V")),
    ],
)
def test_traps(profile: str, channel: str, data: str, value: tuple[str, str]) -> None:
    assert decode(profile, channel, data) == value


def test_a_meter_that_shows_more_than_its_registers_say() -> None:
    """Its display multiplies by the transformers' ratio: 100/5 were twenty times too little in a dashboard."""
    profile = profiles.load("chint-dtsu666-ct")
    with pytest.raises(ProfileError, match="write ct_ratio"):
        profile.select()
    field = profile.for_site(ct=Fraction(100, 5)).fields["current_l1"]
    mantissa, _ = modbus_field.decode(field, struct.pack(">f", 1250.0))
    assert format_value(mantissa or 0, field.exponent) == "25.000"


def test_manuals_that_count_from_one_and_from_30000() -> None:
    assert profiles.load("schneider-iem3155").fields["voltage_l1"].address == 0x0BD3
    assert profiles.load("schneider-iem3155").fields["energy_active_import_l3"].address == 0x0DC5
    assert profiles.load("shelly-pro-3em").fields["power_active"].address == 1013


def test_sdm630_dump_through_the_profile() -> None:
    path = FOLDER / "SDM630.yaml"
    if not path.exists():
        pytest.skip(f"no {path}")
    schema = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    raw = bytes.fromhex("".join(schema["tests"][0]["input"][0]["rawValues"].split()))
    expected = schema["tests"][0]["blocks"][0]["expected"]
    at = {one["id"]: int(one["expression"].split(":")[1].split()[0]) for one in schema["blocks"][0]["fields"]}
    fields = {field.address: field for field in profiles.load("eastron-sdm630").fields.values()}
    assert set(at.values()) == set(fields)
    for name, values in expected.items():
        field = fields[at[name]]
        mantissa, reason = modbus_field.decode(field, raw[2 * field.address : 2 * field.address + 4])
        assert not reason
        unit = next(unit for unit in UNITS.values() if unit.senml == field.unit and unit.factor == field.factor)
        # The dump is in the register's unit with three decimals: so is the profile before its unit's factor.
        in_register_unit = Fraction(mantissa, field.factor) / 1000
        assert in_register_unit == Fraction(Decimal(values[0])), (name, unit)


GOOD = """
[profile]
name = "x"
title = "X"
source = "a manual"
verified = "document"

[requests]
max_registers = 10

[registers]
area = "input"
type = "u16"

[[probe]]
address = 0
min = 1
max = 2

[channels]
voltage_l1 = { address = 0, unit = "V", exponent = -1 }
"""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('unit = "V"', 'unit = "volt"'), r'x.toml:21: channels.voltage_l1.unit: unknown unit "volt"; known: %'),
        (('unit = "V"', 'unit = "kWH"'), r'did you mean "kWh"'),
        (("{ address = 0,", "{ adress = 0,"), r'unknown key "adress"; did you mean "address"'),
        (("{ address = 0, ", "{ "), r"channels.voltage_l1.address: is missing; add it"),
        (('type = "u16"', 'type = "u24"'), r'x.toml:13: registers.type: unknown type "u24"; write u16 to u64'),
        (("max_registers = 10", "max_registers = 200"), r"x.toml:9: requests.max_registers: 200: .*125"),
        (('verified = "document"', 'verified = "yes"'), r"profile.verified: 'yes': .*'device', 'dump' or 'document'"),
        (("min = 1\nmax = 2", ""), r"probe\[1\]: write expect = \[value, ...\], or min and max"),
        (("voltage_l1 =", "Voltage ="), r'channel name "Voltage" must be lower-case'),
        (("exponent = -1", 'exponent = -1, type = "text"'), r"channels.voltage_l1: a text needs its length"),
        (('type = "u16"', 'type = "u16"\nbase = 1'), r"channels.voltage_l1: address 0x0000 is not between base 1"),
        (("exponent = -1", 'exponent = -1, type = "u16", raw_exponent = 2'), r"raw_exponent is for floats"),
        (("exponent = -1", 'exponent = -1, resets = "daily"'), r"channels.voltage_l1: resets is for counters"),
        (("[channels]", "[channels"), r"x.toml:20: is not TOML"),
        (('area = "input"', 'area = "inputs"'), r"registers.area: 'inputs': .*'input', 'holding', 'coil' or"),
    ],
)
def test_errors_say_what_to_write(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(GOOD)
    assert profiles.load_file(path).fields
    assert change[0] in GOOD
    path.write_text(GOOD.replace(*change))
    with pytest.raises(ProfileError, match=complaint):
        profiles.load_file(path)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        profiles.load_file(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ProfileError, match="not UTF-8"):
        profiles.load_file(tmp_path / "latin.toml")
    with pytest.raises(ProfileError, match='unknown profile "eastron-sdm63"; did you mean "eastron-sdm630"'):
        profiles.load("eastron-sdm63")
    with pytest.raises(ProfileError, match='unknown channel "voltage"; did you mean "voltage_l1"'):
        profiles.load("eastron-sdm120").select(["voltage"])
