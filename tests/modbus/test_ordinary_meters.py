"""What ordinary meters do, from another's simulator to readings: coils, sums, words apart, transformers, parts."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modbus.test_peers import polling, process
from waiting import free_port, until
from wayside import profiles
from wayside.cli import main
from wayside.profiles import Profile
from wayside.profiles.model import fraction
from wayside.site import config
from wayside.south.modbus import DeviceSettings
from wayside.values.reading import Reading, format_value

# Register N of the manual, counted from 1, holds 3 * N; every third coil is on, and every fifth discrete input.
SIMULATOR = """
import asyncio
from pymodbus.server import ModbusTcpServer
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusDeviceContext, ModbusServerContext
async def main():
    registers = ModbusSequentialDataBlock(1, [3 * i for i in range(1, 1000)])
    coils = ModbusSequentialDataBlock(1, [i % 3 == 0 for i in range(1, 1000)])
    inputs = ModbusSequentialDataBlock(1, [i % 5 == 0 for i in range(1, 1000)])
    device = ModbusDeviceContext(ir=registers, hr=registers, co=coils, di=inputs)
    server = ModbusTcpServer(ModbusServerContext(devices=device, single=True), address=("127.0.0.1", PORT))
    await server.listen()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, input)
with __import__("contextlib").suppress(EOFError):
    asyncio.run(main())
"""
PROFILE = """
[profile]
name = "ordinary"
title = "An ordinary meter"
source = "nobody's manual"
verified = "document"

[requests]
max_registers = 60

[registers]
area = "holding"
base = { holding = 40001, coil = 1, discrete = 10001 }
type = "u16"

[parts]
count = 2
stride = 100

[[probe]]
address = 40001
expect = [3]

[channels]
voltage_l1 = { address = 40010, unit = "V", factor = "690/32000", exponent = -3, ratio = "vt", stride = 0 }
current_l1 = { address = 40020, unit = "A", exponent = -2, ratio = "ct" }
energy_active_import = { address = 40030, unit = "kWh", plus = [{ address = 40032, unit = "MWh" }] }
apart = { address = [40043, 40040], type = "u32", unit = "1" }
temperature = { address = 40050, unit = "Cel", exponent = -1, offset = -40 }
pump = { address = 3, area = "coil", unit = "1", stride = 0, meanings = { 0 = "stands", 1 = "runs" } }
valve = { address = 4, area = "coil", unit = "1", stride = 0 }
far_pump = { address = 999, area = "coil", unit = "1", stride = 0 }
door = { address = 10010, area = "discrete", unit = "1", stride = 0 }
"""
FIRST = {
    "voltage_l1": "129.375",  # 30 counts of 690/32000 V at 20000/100
    "current_l1": "30.00",  # 0.60 A at 250/5
    "energy_active_import": "345924000000",  # 90 kWh and 96 MWh
    "apart": str(129 << 16 | 120),
    "temperature": "-25.0",
    "pump": "1", "valve": "0", "far_pump": "1", "door": "1",
}  # fmt: skip
SECOND = FIRST | {
    "current_l1": "180.00",
    "energy_active_import": "1427004000000",
    "apart": str(429 << 16 | 420),
    "temperature": "5.0",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "profiles" / "ordinary.toml"
    path.parent.mkdir()
    path.write_text(PROFILE)
    return path


def values(readings: list[Reading]) -> dict[str, str]:
    return {one.channel: one.reason or format_value(one.mantissa or 0, one.exponent) for one in readings}


def test_every_kind_of_register_of_both_parts(path: Path) -> None:
    profile = profiles.load_file(path)
    site = [profile.for_site(fraction("250/5"), fraction("20000/100"), part) for part in (1, 2)]

    async def main() -> None:
        port = free_port()
        devices = [DeviceSettings(f"part-{i}", 1, one, poll_ms=30) for i, one in enumerate(site)]
        async with (
            process(sys.executable, "-W", "ignore", "-c", SIMULATOR.replace("PORT", str(port))),
            polling(f"tcp://127.0.0.1:{port}", devices) as (_, reports),
        ):
            await until(lambda: {str(sorted(values(one).items())) for one in reports} >= {
                str(sorted(FIRST.items())), str(sorted(SECOND.items())),
            })  # fmt: skip

    asyncio.run(main())


SITE = """
[site]
name = "site-7.example.org"

[[bus]]
name = "b"
endpoint = "tcp://127.0.0.1:502"

[[bus.device]]
name = "d"
unit = 1
profile = "ordinary"
KEYS
"""


@pytest.fixture
def load(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], config.SiteFile]:
    """A function that reads a site file whose device has these keys besides."""
    monkeypatch.setattr(profiles, "names", lambda: frozenset(["ordinary"]))
    monkeypatch.setattr(profiles, "load", lambda _name: profiles.load_file(path))

    def load(keys: str) -> config.SiteFile:
        site = tmp_path / "site.toml"
        site.write_text(SITE.replace("KEYS", keys))
        return config.load(site)

    return load


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("", 'bus[1].device[1]: profile ordinary: .* write [cv]t_ratio = "PRIMARY/SECONDARY"'),
        ('channels = ["current_l1"]', "write ct_ratio"),
        ('ct_ratio = "250/0"\nvt_ratio = 1', "bus[1].device[1].ct_ratio: .*divided by 0"),
        ("ct_ratio = 0.5\nvt_ratio = 1", r'bus[1].device[1].ct_ratio: .*in quotes, such as "0.5"'),
        ("ct_ratio = 0\nvt_ratio = 1", 'write PRIMARY/SECONDARY in quotes, such as "250/5"'),
        ("ct_ratio = 1\nvt_ratio = 1\npart = 3", "part = 3: the device has 2; write 1 to 2"),
        ("ct_ratio = 1\nvt_ratio = 1\npart = 0", "bus[1].device[1].part: 0"),
    ],
)
def test_what_the_site_file_has_to_say(load: Callable[[str], Any], keys: str, complaint: str) -> None:
    with pytest.raises(config.SiteFileError) as error:
        load(keys)
    assert re.search(complaint.replace("[1]", r"\[1\]"), str(error.value)), error.value


def test_a_site_file_that_says_it(load: Callable[[str], config.SiteFile]) -> None:
    assert load('channels = ["temperature"]').bus[0].device[0].ct_ratio is None
    two = 'ct_ratio = "250/5"\nvt_ratio = 1\n[[bus.device]]\nname = "e"\nunit = 1\nprofile = "ordinary"\npart = 2\n'
    assert load(two + "ct_ratio = 1\nvt_ratio = 1").bus[0].device[0].ct_ratio == 50
    with pytest.raises(config.SiteFileError, match="both unit 1; give each its own, or its own part"):
        load(two.replace("part = 2", "part = 1") + "ct_ratio = 1\nvt_ratio = 1")


def shown(out: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split() for line in out.splitlines()}


def test_read_says_the_manuals_numbers_and_what_values_mean(path: Path, capsys: pytest.CaptureFixture[str],
                                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(profiles, "load", lambda _name: profiles.load_file(path))

    site = path.parent.parent / "site.toml"

    async def read(*words: str) -> int:
        port = free_port()
        async with process(sys.executable, "-W", "ignore", "-c", SIMULATOR.replace("PORT", str(port))):
            endpoint = f"tcp://127.0.0.1:{port}"
            return await asyncio.to_thread(
                main, ["read", endpoint, "--site", str(site), "--profile", "ordinary", *words]
            )

    assert asyncio.run(read("--ct-ratio", "250/5", "--vt-ratio", "20000/100", "--part", "2")) == 0
    lines = shown(capsys.readouterr().out)
    assert {name: line[1] for name, line in lines.items()} == SECOND
    assert lines["current_l1"][4:7] == ["holding", "40120", "(0x9cb8)"]
    assert lines["door"][4:7] == ["discrete", "10010", "(0x271a)"]
    assert lines["pump"][-1] == "runs"
    assert asyncio.run(read()) == 2
    assert "write ct_ratio" in capsys.readouterr().err


def numbered(profile: Profile, channel: str) -> int:
    field = profile.fields[channel]
    return profile.numbered(field.function, field.address)


def test_the_manuals_numbers_of_a_part(path: Path) -> None:
    second = profiles.load_file(path).for_site(part=2)
    assert numbered(second, "current_l1") == 40_120 and numbered(second, "pump") == 3
