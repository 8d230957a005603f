"""Each register is written for one actuator only: a site file in which two share one is refused, with its line."""

from pathlib import Path

import pytest
from wayside.site import config

PROFILE = """
[profile]
name = "{name}"
title = "t"
source = "s"
verified = "document"
[requests]
max_registers = 9
[registers]
area = "holding"
type = "s16"
[parts]
count = 3
stride = 10
[channels]
power = {{ address = 1, unit = "W" }}
[controls]
own = {{ address = {own}, unit = "W", min = -9, max = 9 }}
shared = {{ address = 5, unit = "W", min = 0, max = 500, stride = 0 }}
wide = {{ address = {wide}, type = "s32", unit = "W", min = 0, max = 500, stride = 20 }}
forced = {{ address = 9, unit = "W", min = 0, max = 9, mode = [{{ address = 10, on = 1, off = 0 }}] }}
hold = {{ address = 8, unit = "s", min = 0, max = 3600, stride = 0 }}
"""
SITE = """[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:502"
"""


def device(name: str, unit: int, part: int, profile: str = "twin") -> str:
    return f'[[bus.device]]\nname = "{name}"\nunit = {unit}\npart = {part}\nprofile = "{profile}"\n'


def actuator(name: str, control: str, timer: str = "") -> str:
    more = f"timer = {{{timer}}}\n" if timer else ""
    return f'[[actuator]]\ndevice = "{name}"\ncontrol = "{control}"\nfail_safe = 0\n{more}'


HOLD = 'control = "hold", seconds = {}'
TWINS = device("a", 1, 1) + device("b", 1, 2)
CASES = {
    "parts with registers of their own": (TWINS + actuator("a", "own") + actuator("b", "own"), ""),
    "two parts that share one": (
        TWINS + actuator("a", "shared") + actuator("b", "shared"),
        "site.toml:22: actuator[2].control: b shared writes what a shared writes, in actuator[1].control: "
        "tcp://127.0.0.1:502 unit 1 register 5; each would overwrite the other, so keep one of the two",
    ),
    "the same register of another unit": (
        device("a", 1, 1) + device("b", 2, 1) + actuator("a", "shared") + actuator("b", "shared"),
        "",
    ),
    "two profiles of one unit, which overlap by a half": (
        device("a", 1, 1) + device("b", 1, 1, "other") + actuator("a", "wide") + actuator("b", "own"),
        "b own writes what a wide writes",
    ),
    "a part beside another control of the part before": (
        TWINS + actuator("a", "wide") + actuator("b", "own"),
        "",
    ),
    "one timer of two actuators, begun in the same way": (
        TWINS + actuator("a", "own", HOLD.format(90)) + actuator("b", "own", HOLD.format(90)),
        "",
    ),
    "one timer of two actuators that want it to run for different times": (
        TWINS + actuator("a", "own", HOLD.format(90)) + actuator("b", "own", HOLD.format(60)),
        "actuator[2].timer.control: b hold writes what a hold writes, in actuator[1].timer.control",
    ),
    "one timer of two actuators, of which one ends by it only": (
        TWINS
        + actuator("a", "own", HOLD.format(90)).replace("fail_safe = 0", 'fail_safe = "device"')
        + actuator("b", "own", HOLD.format(90)),
        "actuator[2].timer.control: this timer serves actuator[1].timer.control too: it goes on while",
    ),
    "one timer of two actuators, of which one is given back": (
        TWINS
        + actuator("a", "own", HOLD.format(90))
        + actuator("b", "forced", HOLD.format(90)).replace("fail_safe = 0", 'fail_safe = "device"'),
        "",
    ),
    "a timer that is itself commanded": (
        TWINS + actuator("a", "own", HOLD.format(90)) + actuator("b", "hold"),
        "actuator[2].control: b hold writes what a hold writes, in actuator[1].timer.control",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_register_is_written_for_one_actuator(case: str, tmp_path: Path) -> None:
    text, said = CASES[case]
    (tmp_path / "profiles").mkdir()
    for name, own, wide in (("twin", 3, 6), ("other", 7, 14)):
        (tmp_path / "profiles" / f"{name}.toml").write_text(PROFILE.format(name=name, own=own, wide=wide))
    path = tmp_path / "site.toml"
    path.write_text(SITE + text)
    if not said:
        config.load(path)
        return
    with pytest.raises(config.SiteFileError) as error:
        config.load(path)
    assert said in str(error.value) and len(error.value.problems) == 1, str(error.value)
