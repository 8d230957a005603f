"""Adapters of one file: 1-Wire thermometers, and one that is only a file which this test writes."""

import asyncio
import os
import re
import socket
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_daemon import packs, running
from south.fields import example
from waiting import free_port, until
from wayside.cli import main
from wayside.daemon.status import snapshot
from wayside.site import config, secret_files
from wayside.site.diff import differences
from wayside.south import adapters
from wayside.south.adapters import w1_thermometer

SITE = """
[site]
name = "test.example"
state = "state"
[[adapter]]
device = "cabinet-air"
kind = "{kind}"
options = {options}
"""
TOP, BOTTOM = "28-3c01d607ed5c", "28-0316a2794fbb"
# As Linux's documentation of w1_therm has it.
GOOD = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"


def problems(folder: Path, kind: str, options: str) -> str:
    path = folder / "site.toml"
    path.write_text(SITE.format(kind=kind, options=options))
    with pytest.raises(config.SiteFileError) as error:
        config.load(path)
    return str(error.value)


def test_what_a_thermometer_says() -> None:
    decode = w1_thermometer.decode
    assert decode(GOOD) == (23125, "")
    assert decode(GOOD.replace("23125", "-62")) == (-62, "")
    assert decode(GOOD.replace("YES", "NO")) == (None, "checksum wrong")
    assert decode(GOOD.replace("23125", "85000")) == (None, "no value yet")
    assert decode(GOOD.replace("23125", "125001")) == (None, "out of range")
    for text in ("", "t=1", GOOD[:40], GOOD + GOOD, GOOD.replace("t=", "u=")):
        assert decode(text) == (None, "not understood")


@given(st.text(max_size=100))
def test_whatever_stands_there_it_is_a_value_or_a_reason(text: str) -> None:
    value, reason = w1_thermometer.decode(text)
    assert (value is None) == bool(reason)


def test_thermometers_to_packs_that_a_stranger_can_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (TOP, BOTTOM):
        (tmp_path / "w1" / number).mkdir(parents=True)
        (tmp_path / "w1" / number / "w1_slave").write_text(GOOD)
    options = f'{{folder = "{tmp_path / "w1"}", every_s = 0.1, thermometers = {{top = "{TOP}", bottom = "{BOTTOM}"}}}}'

    async def scenario() -> None:
        async with running(tmp_path, SITE.format(kind="w1_thermometer", options=options)) as site:
            await until(lambda: site.intake.counters["packs"] > 0, "a pack")
            (tmp_path / "w1" / TOP / "w1_slave").unlink()
            told = lambda: snapshot(site.parts)["adapters"]["cabinet-air"]  # noqa: E731
            await until(lambda: told().get("no answer", 0) > 1, "the silence of one")
            assert told()["good"] > 2
            assert not [each for each in snapshot(site.parts)["problems"] if each["level"] == "bad"]
            (tmp_path / "w1" / BOTTOM / "w1_slave").unlink()
            down = {"level": "bad", "text": "cabinet-air has no value: no answer"}
            await until(lambda: down in snapshot(site.parts)["problems"], "that nothing of it is known any more")

    asyncio.run(scenario())
    evidence, site_file = tmp_path / "cabinet-air.evidence", str(tmp_path / "site.toml")
    assert main(["export", site_file, str(evidence)]) == 0
    capsys.readouterr()
    assert main(["keys", "show", site_file]) == 0
    key = capsys.readouterr().out.splitlines()[0]
    assert main(["verify", str(evidence), "--key", key]) == 0, capsys.readouterr().out
    made = packs(tmp_path, "cabinet-air")
    assert [(each.channel, each.mantissa, each.exponent) for each in made[0].readings] == [
        ("top", 23125, -3), ("bottom", 23125, -3),
    ]  # fmt: skip
    assert [(None, "no answer"), (23125, "")] in [
        [(each.mantissa, each.reason) for each in pack.readings] for pack in made
    ]


def test_a_thermometer_that_hangs_is_bad_and_holds_up_neither_the_others_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked 1-Wire bus: here a FIFO that nobody writes to."""
    monkeypatch.setattr(w1_thermometer, "_ANSWER_S", 0.2)
    for number in (TOP, BOTTOM):
        (tmp_path / "w1" / number).mkdir(parents=True)
    os.mkfifo(tmp_path / "w1" / TOP / "w1_slave")
    (tmp_path / "w1" / BOTTOM / "w1_slave").write_text(GOOD)
    options = f'{{folder = "{tmp_path / "w1"}", every_s = 0.1, thermometers = {{top = "{TOP}", bottom = "{BOTTOM}"}}}}'

    async def scenario() -> None:
        async with running(tmp_path, SITE.format(kind="w1_thermometer", options=options)) as site:
            assert site._site.expected()["cabinet-air"].report_s == 0.1
            await until(lambda: site.intake.counters["packs"] > 2, "packs")
            threads = [each for each in threading.enumerate() if each.name == "wayside-blocking"]
            assert len(threads) <= 2

    asyncio.run(scenario())
    for made in packs(tmp_path, "cabinet-air"):
        assert [(each.mantissa, each.reason) for each in made.readings] == [(None, "no answer"), (23125, "")]
    with (tmp_path / "w1" / TOP / "w1_slave").open("w"):
        pass  # the thread goes


def test_what_is_wrong_is_named_before_anything_starts(tmp_path: Path) -> None:
    assert ':7: adapter[1].kind: unknown kind "w1_thermometers"; did you mean "w1_thermometer"?' in problems(
        tmp_path, "w1_thermometers", "{}"
    )
    assert "options.thermometers: is missing; add it" in problems(tmp_path, "w1_thermometer", "{}")
    assert "options.thermometers.top" in problems(tmp_path, "w1_thermometer", '{thermometers = {top = "../../etc"}}')
    assert "options.colour" in problems(tmp_path, "w1_thermometer", f'{{colour = 1, thermometers = {{a = "{TOP}"}}}}')


ADAPTER = '''"""Counts."""

import asyncio
from collections import Counter

from wayside_wire.pack import GOOD

from wayside.values.reading import Reading
from wayside.south.adapters import Options


class Settings(Options):
    start: int


def open_source(settings, services):
    return Counting(settings.start, services)


class Counting:
    def __init__(self, start, services):
        self.counters = Counter()
        self._next = start
        self._services = services

    async def run(self):
        while True:
            now_ms = self._services.clock.utc_ms()
            self._services.report("cabinet-air", [Reading("count", "count", self._next, 0, GOOD, "", now_ms)])
            self._next += 1
            await asyncio.sleep(0.05)
'''


def test_an_adapter_of_another_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = "from wayside.settings.table import Table"
    (tmp_path / "loose.py").write_text(f"{base}\n\n\nclass Settings(Table):\n    start: int\n")
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    assert "loose.py: make its Settings a wayside.south.adapters.Options" in problems(
        tmp_path, "loose", '{start = "41"}'
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", r"write the function open_source\(\)$"),
        ("    def devices(self):\n        return self.xs\nopen_source = print\n", r"line 4: AttributeError: .*xs"),
    ],
)
def test_a_file_that_is_no_adapter_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, said: str
) -> None:
    base = "from wayside.south.adapters import Options"
    (tmp_path / "lax.py").write_text(f"{base}\nclass Settings(Options):\n" + (more or "    pass\n"))
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "wayside.south.adapters.lax", raising=False)
    [line] = problems(tmp_path, "lax", "{}").splitlines()
    assert re.search(r"adapter\[1\].*lax\.py.*" + said, line), line


def test_a_reading_that_is_refused_is_a_problem_that_says_which_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lax = ADAPTER.replace('"count", "count"', '"energy", "kWh"')
    (tmp_path / "kwh.py").write_text(lax)
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])

    async def scenario() -> None:
        async with running(tmp_path, SITE.format(kind="kwh", options="{start = 41}")) as daemon:
            said = 'cabinet-air: a reading is refused: energy: the unit "kWh" is no SenML unit; energy is in J, '
            told = lambda: [each["text"] for each in snapshot(daemon.parts)["problems"]]  # noqa: E731
            await until(lambda: any(each.startswith(said) for each in told()), "the problem")
            assert not daemon.image.snapshot.get("cabinet-air")

    asyncio.run(scenario())


def test_an_adapter_is_one_more_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counting.py").write_text(ADAPTER)
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])

    async def scenario() -> None:
        async with running(tmp_path, SITE.format(kind="counting", options="{start = 41}")) as site:
            await until(lambda: site.intake.counters["packs"] > 2, "packs")

    asyncio.run(scenario())
    counts = [reading.mantissa for pack in packs(tmp_path, "cabinet-air") for reading in pack.readings]
    assert counts[:3] == [41, 42, 43]


def test_an_adapter_that_fails_has_bad_readings_that_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dies = "            if self._next > 43:\n                raise KeyError('gone')\n            await asyncio"
    (tmp_path / "dying.py").write_text(ADAPTER.replace("            await asyncio", dies))
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])

    async def scenario() -> None:
        async with running(tmp_path, SITE.format(kind="dying", options="{start = 42}")) as site:
            await until(lambda: site.intake.counters["bad readings"] > 1, "bad readings")

    asyncio.run(scenario())
    said = [(each.mantissa, each.reason) for pack in packs(tmp_path, "cabinet-air") for each in pack.readings]
    assert said[:3] == [(42, ""), (43, ""), (None, "adapter down: KeyError: 'gone'")]


LINES = """
[site]
name = "test.example"
state = "state"
[[adapter]]
{called}
kind = "udp_lines"
options = {{port = {port}, report_s = 0.2, sensors = {{tank-1 = {{level = "m"}}, tank-2 = {{power = "W"}}}}}}
"""


def test_one_file_reads_several_devices_with_the_common_aggregation(tmp_path: Path) -> None:
    port = free_port()

    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            async with running(tmp_path, LINES.format(called='name = "tanks"', port=port)) as site:

                def heard() -> bool:
                    for line in ("tank-1 level 1.50", "tank-2 power -7", "tank-2 power 9", "tank-3 level 1", "\0"):
                        sender.sendto(line.encode(), ("127.0.0.1", port))
                    return site.intake.counters["packs"] > 6

                await until(heard, "packs")
                told = snapshot(site.parts)["adapters"]["tanks"]
                assert told["good"] > 6 and told["unknown device or channel"] and told["not understood"]

    with example("udp_lines", tmp_path):
        asyncio.run(scenario())
    level = [each for made in packs(tmp_path, "tank-1") for each in made.readings]
    assert {(each.channel, each.mantissa, each.exponent) for each in level} == {("level", 150, -2)}
    power = {each.channel: each.mantissa for each in packs(tmp_path, "tank-2")[1].readings}
    assert (power["power.min"], power["power.max"]) == (-7, 9)
    assert not packs(tmp_path, "tank-3")


def test_what_a_kind_of_several_devices_is_called(tmp_path: Path) -> None:
    def wrong(text: str) -> str:
        (tmp_path / "site.toml").write_text(text)
        with pytest.raises(config.SiteFileError) as error:
            config.load(tmp_path / "site.toml")
        return str(error.value)

    with example("udp_lines", tmp_path):
        assert "name: is missing; add it" in wrong(LINES.format(called="", port=4567))
        said = 'device: write name = "a" instead: udp_lines names its devices in its options'
        assert said in wrong(LINES.format(called='device = "a"', port=4567))
        named = LINES.format(called='name = "tanks"', port=4567)
        assert "options: device '../tank'" in wrong(named.replace("tank-1", '"../tank"'))
        assert 'device "tank-1" is used twice' in wrong(named + named[named.index("[[adapter]]") :])
        again = named[named.index("[[adapter]]") :].replace("tank-1", "tank-3").replace("tank-2", "tank-4")
        assert 'adapter "tanks" is used twice, also in adapter[1].name; give each its own' in wrong(named + again)
    one = SITE.format(kind="w1_thermometer", options=f'{{thermometers = {{a = "{TOP}"}}}}')
    said = "name: leave it out: w1_thermometer reads one device"
    assert said in wrong(one.replace("device =", 'name = "a"\ndevice ='))
    assert "device: is missing; add it" in wrong(one.replace('device = "cabinet-air"', ""))


def test_an_adapter_speaks_for_its_own_devices_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "posing.py").write_text(ADAPTER.replace('report("cabinet-air"', 'report("meter-1"'))
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])

    async def scenario() -> None:
        async with running(tmp_path, SITE.format(kind="posing", options="{start = 41}")):
            await until(lambda: "meter-1 is no device of this adapter" in caplog.text, "the refusal")

    asyncio.run(scenario())
    assert not packs(tmp_path, "meter-1")


def test_only_who_listens_to_a_broker_has_one(tmp_path: Path) -> None:
    def wrong(text: str) -> str:
        (tmp_path / "site.toml").write_text(text)
        with pytest.raises(config.SiteFileError) as error:
            config.load(tmp_path / "site.toml")
        return str(error.value)

    broker = LINES.replace("port = {port}", 'prefix = "plant"').replace("udp_lines", "mqtt_values")
    with example("mqtt_values", tmp_path):
        named = broker.format(called='name = "plant"')
        assert "url: is missing; add the broker's, such as mqtt://127.0.0.1" in wrong(named)
        assert "adapter[1].url: " in wrong(broker.format(called='name = "plant"\nurl = "http://host"'))
        wild = broker.format(called='name = "p"\nurl = "mqtt://host"').replace('"plant"', '"plant/#"')
        assert "options.prefix" in wrong(wild)
    one = SITE.format(kind="w1_thermometer", options=f'{{thermometers = {{a = "{TOP}"}}}}')
    said = ": leave it out: w1_thermometer listens to no broker"
    assert f"url{said}" in wrong(one.replace("device =", 'url = "mqtt://host"\ndevice ='))
    assert f"password_file{said}" in wrong(one.replace("device =", 'password_file = "p"\ndevice ='))


def test_certificates_of_an_adapters_broker_are_looked_after(tmp_path: Path) -> None:
    """And its password goes to that broker only: where a site file comes from afar, that is checked."""
    text = LINES.replace("port = {port}", 'prefix = "plant"').replace("udp_lines", "mqtt_values")
    keys = 'name = "p"\nurl = "mqtts://host"\nca_file = "ca.pem"\npassword_file = "p"\nusername = "u"'
    (tmp_path / "site.toml").write_text(text.format(called=keys))
    with example("mqtt_values", tmp_path):
        site = config.load(tmp_path / "site.toml")
    found = {use.place: use.url for use in secret_files.uses(site)}
    assert found == {"adapter[1].ca_file": "", "adapter[1].password_file": "mqtts://host"}


def test_what_differs_in_one_of_several_without_a_name_is_told(tmp_path: Path) -> None:
    def site(bottom_s: float) -> config.SiteFile:
        one = SITE.format(kind="w1_thermometer", options=f'{{every_s = 60.0, thermometers = {{a = "{TOP}"}}}}')
        other = one[one.index("[[adapter]]") :].replace("cabinet-air", "street-air").replace("60.0", str(bottom_s))
        (tmp_path / "site.toml").write_text(one + other)
        return config.load(tmp_path / "site.toml")

    assert differences(site(5.0), site(5.0)) == []
    assert differences(site(5.0), site(6.0)) == ["~ adapter.2.options.every_s = 5.0 -> 6.0"]
    first = site(7.0).model_copy(update={"adapter": site(7.0).adapter[::-1]})
    assert "~ adapter.1.device = 'cabinet-air' -> 'street-air'" in differences(site(7.0), first)
