"""A controller of a real gateway, from the site file to the register and the log; one of them is only a file."""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from control.controllers import example
from desk.test_controlled import PROFILE, Battery
from desk.test_desk_of_a_site import typed
from site_daemon import entries, running
from waiting import free_port, until
from wayside.cli import main
from wayside.control import controllers
from wayside.control.controllers import Ask
from wayside.control.decided import replay
from wayside.daemon.status import snapshot
from wayside.evidence.kinds import DecisionBody
from wayside.lab.plant import answer_for, serve_tcp
from wayside.site import config
from wayside.south import adapters

SITE = """
[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "battery"
unit = 1
profile = "battery"
poll_ms = 100
timeout_ms = 2000
[[actuator]]
device = "battery"
control = "power_limit"
fail_safe = -100
[[controller]]
name = "limit"
kind = "{kind}"
reads = {{value = "battery power"}}
asks = {{{output} = "battery power_limit"}}
options = {options}
"""
STAGES = "{unit = 'W', stages = [[1000, 2000], [2000, 4000]], back = 500, lowest = 1000}"
THRESHOLD = "{unit = 'W', on_above = 1000, off_below = 200, on = 2000, off = 0}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "battery.toml").write_text(PROFILE)
    return tmp_path


def test_a_controller_is_one_more_file_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    battery, port = Battery(), free_port()
    text = SITE.format(port=port, kind="stages", output="drive", options=STAGES)

    def power(tens_of_watts: int) -> None:
        battery.registers[2:4] = tens_of_watts.to_bytes(2, "big")

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: battery}), port), running(folder, text) as daemon:
            await until(lambda: battery.limit == 100, "below all stages")
            power(150)
            await until(lambda: battery.limit == 200, "the first stage")
            power(250)
            await until(lambda: battery.limit == 400, "the second")
            told = snapshot(daemon.parts)["controllers"]["limit"]
            assert told["asks"]["battery power_limit"]["why"] == "stage 2"
            assert told["reads"]["battery power"]["value"] == "2500"
            site = str(folder / "site.toml")
            assert await typed("desk", "ask", site, "battery power_limit", "500", "--for", "15min") == 0
            await until(lambda: battery.limit == 50, "an operator is stronger")
            assert await typed("desk", "withdraw", site, "battery power_limit") == 0
            await until(lambda: battery.limit == 400, "and then it goes on")
        assert battery.limit == -10, "the gateway has stopped"

    site = str(folder / "site.toml")
    with example("stages", folder):
        asyncio.run(scenario())
        bodies = [each.body for each in entries(folder) if each.stream == "journal/limit"]
        made = [replay(each) for each in bodies if isinstance(each, DecisionBody)]
        assert [each.decided["drive"].number for each in made][-3:] == [1000, 2000, 4000]
        capsys.readouterr()
        assert main(["desk", "replay", site, "limit"]) == 0
        assert f"limit: {len(made)} decisions: {len(made)} follow from what was known" in capsys.readouterr().out
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(controllers.load("stages"), "step", lambda *_: ({}, {"drive": Ask(Decimal(7), "whim")}))
            assert main(["desk", "replay", site, "limit"]) == 1
        assert "from the same comes drive 7 (whim): another version" in capsys.readouterr().err
        assert main(["desk", "replay", site, "limits"]) == 2
        assert 'unknown controller "limits"; did you mean "limit"?' in capsys.readouterr().err
    assert main(["desk", "replay", site, "limit"]) == 2, "the file is gone"
    assert 'unknown kind "stages"' in capsys.readouterr().err


def test_a_controller_that_leaves_the_site_file_leaves_the_fail_safe_value(folder: Path) -> None:
    battery, port = Battery(), free_port()
    battery.registers[2:4] = (500).to_bytes(2, "big")
    text = SITE.format(port=port, kind="threshold", output="load", options=THRESHOLD)

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: battery}), port), running(folder, text) as daemon:
            await until(lambda: battery.limit == 200)
            without = text.partition("[[controller]]")[0]
            (folder / "site.toml").write_text(without)
            await daemon.apply(config.load(folder / "site.toml"), without.encode())
            await until(lambda: battery.limit == -10)
            # One whose bus and actuator change begins anew with them.
            changed = text.replace("timeout_ms = 2000", "timeout_ms = 1900").replace("-100", "-200")
            (folder / "site.toml").write_text(changed)
            await daemon.apply(config.load(folder / "site.toml"), changed.encode())
            await until(lambda: battery.limit == 200)

    asyncio.run(scenario())


WRONG = [
    (
        'kind = "threshold"',
        'kind = "treshold"',
        ':19: controller[1].kind: unknown kind "treshold"; did you mean "threshold"?',
    ),
    (
        '"battery power"',
        '"batery power"',
        ':20: controller[1].reads.value: unknown device "batery"; did you mean "battery"?',
    ),
    (
        '"battery power"}',
        '"battery powr"}',
        ':20: controller[1].reads.value: unknown channel "powr"; did you mean "power"?',
    ),
    ('{value = "battery power"}', '{value = "battery"}', "controller[1].reads.value: write the device and what of it"),
    ("{value =", "{valu =", 'controller[1]: reads: unknown name "valu"; did you mean "value"?'),
    ('{value = "battery power"}', "{}", 'controller[1]: reads: value is missing; add value = "DEVICE CHANNEL"'),
    (
        "battery power_limit",
        "battery other_limit",
        ':21: controller[1].asks.load: unknown actuator "battery other_limit"; did you mean "battery power_limit"?',
    ),
    ("on = 2000", "on = 2001", ":22: controller[1].options.on: 2001 lies between two steps; write a multiple of 10 W"),
    ("off = 0", "off = -5010", "controller[1].options.off: -5010 W is outside what it may have, -5000 W to 5000 W"),
    ("off_below = 200", "off_below = 1000", "options: off_below: write less than on_above"),
    ("unit = 'W', ", "", "controller[1].options.unit: is missing; add it"),
    (
        "on_above = 1000, off_below = 200",
        "on_above = 5",
        "options: write on_above and off_below, or on_below and off_above",
    ),
    ('name = "limit"', 'name = "battery"', 'device "battery" is used twice'),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[said for *_, said in WRONG])
def test_what_is_wrong_is_named_before_anything_starts(old: str, new: str, said: str, folder: Path) -> None:
    good = SITE.format(port=1, kind="threshold", output="load", options=THRESHOLD)
    path = folder / "site.toml"
    path.write_text(good)
    config.load(path)
    path.write_text(good.replace(old, new))
    with pytest.raises(config.SiteFileError) as error:
        config.load(path)
    assert said in str(error.value) and len(error.value.problems) == 1, str(error.value)


def test_without_an_actuator_nothing_can_be_asked(folder: Path) -> None:
    text = SITE.format(port=1, kind="threshold", output="load", options=THRESHOLD)
    actuator = text[text.index("[[actuator]]") : text.index("[[controller]]")]
    (folder / "site.toml").write_text(text.replace(actuator, ""))
    with pytest.raises(
        config.SiteFileError, match=r"this site has no \[\[actuator\]\]; add one for battery power_limit"
    ):
        config.load(folder / "site.toml")


def test_a_kind_of_another_base_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = "from wayside.settings.table import Table"
    (folder / "loose.py").write_text(f"{base}\n\n\nclass Settings(Table):\n    start: int\n")
    monkeypatch.setattr(controllers, "__path__", [*controllers.__path__, str(folder)])
    (folder / "site.toml").write_text(SITE.format(port=1, kind="loose", output="load", options="{start = 1}"))
    with pytest.raises(
        config.SiteFileError, match=r"loose.py: make its Settings a wayside.control.controllers.Options"
    ):
        config.load(folder / "site.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"write the function reads\(\) in its Settings"),
        ("    def reads(self): return ()\n    def asks(self): return {}\n", r"write the function begin\(\)"),
    ],
)
def test_a_file_that_is_no_controller_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    base = "from wayside.control.controllers import Options\nclass Settings(Options):\n    start: int\n"
    (folder / "lax.py").write_text(base + text)
    monkeypatch.setattr(controllers, "__path__", [*controllers.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, "wayside.control.controllers.lax", raising=False)
    (folder / "site.toml").write_text(SITE.format(port=1, kind="lax", output="load", options="{start = 1}"))
    with pytest.raises(config.SiteFileError, match=r"controller\[1\].kind: .*lax.py: " + said) as error:
        config.load(folder / "site.toml")
    assert len(error.value.problems) == 1


ACTUATOR = '[[actuator]]\ndevice = "battery"\ncontrol = "power_limit"\nfail_safe = -100\n'
ADVICE = {
    # What is written instead of the actuator -> all that is said.
    "the same twice": (ACTUATOR * 2, ['actuator[2].control: control "battery power_limit" is used twice, also in']),
    "a device that is not there": (
        ACTUATOR.replace('"battery"', '"batery"'),
        [
            'actuator[1].device: unknown device "batery"; did you mean "battery"?',
            "controller[1].asks.load: no [[actuator]] is battery power_limit",
        ],
    ),
    "a control that is not there": (
        ACTUATOR.replace("power_limit", "power"),
        [
            'actuator[1].control: unknown control "power"; ',
            "controller[1].asks.load: no [[actuator]] is battery power_limit",
        ],
    ),
    "its own timer": (
        ACTUATOR + 'timer = {control = "power_limt", seconds = 60}\n',
        ['actuator[1].timer.control: unknown control "power_limt"; '],
    ),
}


@pytest.mark.parametrize("what", ADVICE)
def test_nobody_is_told_to_write_what_is_wrong(folder: Path, what: str) -> None:
    text, said = ADVICE[what]
    good = SITE.format(port=1, kind="threshold", output="load", options=THRESHOLD)
    (folder / "site.toml").write_text(good.replace(ACTUATOR, text))
    with pytest.raises(config.SiteFileError) as error:
        config.load(folder / "site.toml")
    assert len(error.value.problems) == len(said), error.value.problems
    for line, start in zip(error.value.problems, said, strict=True):
        assert start in line, line
        assert what != "its own timer" or '"power_limit"' not in line


def test_check_says_what_it_counts_and_which_channel_it_cannot_know(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "talks.py").write_text(
        "from wayside.south.adapters import Options as Settings\ndef open_source(settings, services): ...\n"
    )
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(folder)])
    good = SITE.format(port=1, kind="threshold", output="load", options=THRESHOLD)
    text = good.replace("[[actuator]]", '[[adapter]]\ndevice = "p1"\nkind = "talks"\n[[actuator]]', 1)
    (folder / "site.toml").write_text(text.replace('"battery power"', '"p1 power_imprt"'))
    assert main(["check", str(folder / "site.toml")]) == 0
    told = capsys.readouterr().out
    assert "controller[1].reads.value: whether there is p1 power_imprt shows only when it runs" in told
    assert "good: 1 buses, 0 nodes, 2 devices, 0 sinks, 1 adapters, 1 actuators, 1 controllers\n" in told
