"""Profiles that say nothing, or cannot be right: each is refused, with its line and what to write."""

from pathlib import Path

import pytest
from profiles.test_meaning import HEAD, PARTS
from wayside import profiles
from wayside.cli import main
from wayside.profiles import ProfileError

V = "voltage_l1 = { address = 40001, unit = "


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as error:
        profiles.load_file(path)
    return str(error.value)


@pytest.mark.parametrize(
    ("channels", "complaint"),
    [
        # Contents that never stand in the register.
        (V + '"V", type = "s16", missing = [-32768] }', "-32768 is never the content of a register; write it as it "
         "stands there, 0x8000"),
        (V + '"V", type = "s32", missing = [-1] }', "0xffffffff"),
        (V + '"V", missing = [0x10000] }', "missing: 0x10000 does not fit into u16"),
        (V + '"V", missing = ["all-ones", 0xFFFF] }', "names one content twice"),
        ('c = { address = 1, area = "coil", unit = "1", missing = [0] }', "missing does nothing: a single bit"),
        # Keys that do nothing where they stand.
        (V + '"V", raw_exponent = -1 }', "raw_exponent is for floats; u16 counts 10^exponent"),
        (V + '"V", type = "bcd16", raw_exponent = -1 }', "raw_exponent is for floats"),
        (V + '"V", type = "f32", factor = 2, raw_exponent = -1 }', "raw_exponent and factor say the same"),
        (V + '"V", type = "f32", mask = 0xFF }', "mask does nothing: it takes bits of whole numbers, not of f32"),
        (V + '"V", type = "bcd16", mask = 0xFF }', "mask does nothing"),
        (V + '"V", mask = 0xFFFF }', "mask = 0xffff does nothing"),
        (V + '"V", mask = 0 }', "mask = 0x0 does nothing"),
        (V + '"V", mask = 0x1FFFF }', "names bits that u16 does not have"),
        (V + '"V", mask = 0x0505 }', "has holes"),
        (V + '"V", sign = "magnitude", type = "s16" }', 'sign = "magnitude" is for whole registers of type u16'),
        (V + '"V", sign = "magnitude", type = "f32" }', 'sign = "magnitude" is for whole registers of type u16'),
        (V + '"V", sign = "magnitude", mask = 0xFF }', 'sign = "magnitude" is for whole registers'),
        (V + '"1", sign = "negated", type = "bits16" }', "sign: bits are no count"),
        (V + '"1", exponent = -1, type = "bits16" }', "exponent: bits are no count"),
        (V + '"V", type = "bits16" }', "bits have no unit"),
        (V + '"V", factor = 1 }', "factor = 1 does nothing"),
        (V + '"V", offset = 0 }', "offset = 0 does nothing"),
        (V + '"V", word_order = "little" }', "word_order does nothing: u16 has no words"),
        (V + '"V", registers = 2 }', "registers does nothing"),
        (V + '"V", stride = 2 }', "stride does nothing: the device has no [parts]"),
        (V + '"V", rollover = 1000 }', "rollover does nothing: only channels that begin with energy_"),
        ('energy_x = { address = 40001, unit = "kWh", rollover = 100_000 }', "u16 starts again before that"),
        (V + '"V", type = "f32", scale_register = 40009 }', "scale_register does nothing for f32"),
        # What cannot be right.
        (V + '"V", type = "text", registers = 2 }', "a text is no quantity"),
        (V + '"A" }', 'unit = "A": a channel called voltage is in V'),
        ('energy_active_import = { address = 40001, unit = "kW" }', "a channel called energy_active is in J"),
        ('energy_x = { address = 40001, unit = "kWh", sign = "negated" }', "a counter grows, and this one would fall"),
        (V + '"V", factor = "1/32000", exponent = -2 }', "write exponent = -5 or less"),
        (V + '"V", factor = 0.5 }', '0.5: write a whole number, or a decimal or a fraction in quotes, such as "0.5"'),
        (V + '"V", factor = "1/0" }', "nothing can be divided by 0"),
        (V + '"V", factor = "-1" }', 'a factor is more than 0; write sign = "negated"'),
        (V + '"V", factor = "half" }', "'half': write a whole number"),
        (V + '"V", ratio = "ct" }', 'ratio = "ct": no transformer changes what is in V so; write "vt"'),
        ('frequency = { address = 40001, unit = "Hz", ratio = "ct" }', "what is in Hz so; remove it"),
        (V + '"V", type = "bit" }', 'type = "bit" is for coils and discrete inputs'),
        ('c = { address = 1, area = "coil", type = "u16", unit = "1" }', "a coil is a single bit; remove the type"),
        ('c = { address = 105536, type = "u32", unit = "1" }', "beyond the end"),
        ('c = { address = 40001, unit = "1", scale_register = 40001 }', "scale_register: is a register of c"),
        ('c = { address = 40001, type = "bits16", unit = "1", meanings = { 16 = "x" } }', "there is no bit 16"),
        ('c = { address = 40001, unit = "1", meanings = { x = "x" } }', '"x" is no number'),
        ('c = { address = 40001, unit = "1", meanings = { -1 = "x" } }', "-1 never stands in u16"),
        ('c = { address = 40001, unit = "V", meanings = { 1 = "x" } }', "meanings are for what stands in the register"),
        ('c = { address = 40001, unit = "1", factor = 2, meanings = { 1 = "x" } }', "the number is the register's own"),
        # Registers among each other.
        (V + '"V" }\nvoltage_l2 = { address = 40001, unit = "V" }', "reads the same register as voltage_l1"),
        (V + '"V", type = "u32" }\nvoltage_l2 = { address = 40002, unit = "V" }',
         "overlaps voltage_l1: both take register 40002 (0x9c42)"),
        (V + '"V", type = "f32" }\nvoltage_l2 = { address = 40001, type = "u32", unit = "V" }', "overlaps voltage_l1"),
        ('a = { address = 40001, type = "bits16", mask = 3, unit = "1" }\n'
         'b = { address = 40001, type = "bits16", mask = 6, unit = "1" }', "let masks take different bits"),
        ('c = { address = [40001, 40001], type = "u32", unit = "1" }', "names a register twice"),
        ('c = { address = [40001, 40003], unit = "1" }', "u16 has 1 registers; write 1 addresses"),
        ('c = { address = [40001, 40080], type = "u32", unit = "1" }', "needs 80 registers in one request"),
        ('c = { address = 40001, unit = "1", plus = [{ address = 40001 }] }', "adds a register a second time"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 40002, unit = "kWh" }] }', "kWh cannot be added to W"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 30002, area = "input" }] }', "in the same"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 40002, mask = 0 }] }', "plus[1]: mask = 0x0 does"),
        ('c = { address = 40001, unit = "W", plus = [{ address = 40002, type = "u32" }] }\n'
         'd = { address = 40003, unit = "W" }', "plus[1]: overlaps d"),
        # Controls.
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = 9, max = 0 }', "min = 9 is above max = 0"),
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = -1, max = 1 }', "min = -1 cannot be written"),
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = 0, max = 65536 }', "it holds 0 to 65535"),
        (V + '"V" }\n[controls]\nc = { address = 40002, type = "f32", unit = "%", min = 0, max = 1 }',
         "f32 cannot be written"),
        (V + '"V" }\n[controls]\nc = { address = 40002, unit = "%", min = 0, max = 1, mask = 1 }', 'key "mask"'),
        (V + '"V" }\n[controls]\nc = { address = 40002, type = "u32", unit = "%", min = 0, max = 1 }\n'
         'd = { address = 40003, unit = "%", min = 0, max = 1 }', "writes the same register as c"),
        (V + '"V", type = "u32" }\n[controls]\nc = { address = 40002, unit = "%", min = 0, max = 1 }',
         "overlaps the channel voltage_l1"),
        # Identity.
        (V + '"V" }\n[identity]\nserial = { address = 40010, type = "u32" }', "is read by nobody; write one of"),
        (V + '"V" }\n[identity]\nserial_number = { address = 40010, type = "text" }', "a text needs its length"),
        (V + '"V" }\n[identity]\nserial_number = { address = 40010, registers = 2 }', "registers does nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_right(tmp_path: Path, channels: str, complaint: str) -> None:
    text = refused(tmp_path, HEAD + channels)
    assert complaint in text
    assert "x.toml:2" in text or "x.toml:1" in text, f"no line: {text}"


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("min = 1\nmax = 2", "min = 3\nmax = 2", "probe[1]: min = 3 is above max = 2"),
        ("min = 1\nmax = 2", "expect = [1]\nmax = 2", "probe[1]: expect says all; remove min and max"),
        ("min = 1\nmax = 2", "expect = [70000]", "probe[1]: expect: 70000 never stands in u16"),
        ("min = 1\nmax = 2", "min = -5\nmax = -1", "probe[1]: min to max never stands in u16"),
        ("min = 1\nmax = 2", 'min = 1\nmax = 2\ntype = "text"', "probe[1]: a text is not compared"),
        ("max_registers = 60", "max_registers = 60\nwrite_function = 6", "there are no controls; remove it"),
        ("holding = 40001, ", "", "registers.base says nothing of holding registers; add holding ="),
        ("base = { holding = 40001, input = 30001, coil = 1, discrete = 10001 }", "base = 30001",
         "registers.base = 30001 is where input registers begin"),
        ('type = "u16"', 'type = "u16"\nmissing = [0x80000000]', "0x80000000 does not fit into u16"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_right(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    assert before in HEAD
    assert complaint in refused(tmp_path, HEAD.replace(before, after) + V + '"V" }')


@pytest.mark.parametrize(
    ("channel", "complaint"),
    [
        ('c = { address = 40001, unit = "1", stride = 32767 }', ""),
        ('c = { address = 40003, unit = "1", stride = 32767 }', "part 3 of it would be beyond the last register"),
        ('c = { address = 40001, type = "u32", unit = "1", stride = 1 }', "two parts would overlap"),
    ],
)
def test_parts_that_cannot_be_right(tmp_path: Path, channel: str, complaint: str) -> None:
    if complaint:
        assert complaint in refused(tmp_path, PARTS + channel)
    else:
        (tmp_path / "x.toml").write_text(PARTS + channel)
        assert profiles.load_file(tmp_path / "x.toml").parts == 3


def test_bits_of_one_register_and_the_registers_of_a_sum_may_be_channels_too(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        HEAD
        + """
a = { address = 40001, type = "bits16", mask = 0x0003, unit = "1" }
b = { address = 40001, type = "bits16", mask = 0x000C, unit = "1" }
whole = { address = 40002, unit = "W", plus = [{ address = 40003, unit = "kW" }] }
watts = { address = 40002, unit = "W" }
kilowatts = { address = 40003, unit = "kW" }

[controls]
limit = { address = 40002, unit = "W", min = 0, max = 100 }
"""
    )
    assert set(profiles.load_file(path).fields) == {"a", "b", "whole", "watts", "kilowatts"}


def test_lint_says_them_all_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + V + '"V", mask = 0 }\nfrequency = { address = 40002, unit = "V" }\n')
    assert main(["profile", "lint", str(path)]) == 1
    said = capsys.readouterr().err
    assert "x.toml:22: channels.voltage_l1: mask" in said and "x.toml:23: channels.frequency: unit" in said


def test_energy_under_another_name_is_no_counter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + 'energy = { address = 40001, unit = "Wh" }\n')
    assert main(["profile", "lint", str(path)]) == 0
    assert "energy is energy, but no counter: nothing watches it" in capsys.readouterr().out
