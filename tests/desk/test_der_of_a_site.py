"""A battery and an inverter that describe themselves, under the desk of a real gateway: asked, left, killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from desk.test_desk_of_a_site import typed, words
from site_daemon import running
from waiting import until
from wayside.cli import main
from wayside.lab.plant.energy import SITE, EnergySite, serve
from wayside.site import config

ACTUATOR = """
[site]
name = "test.example"
{devices}
poll_ms = 200
report_ms = 1000
[[actuator]]
device = "battery"
control = "active_power"
fail_safe = {fail_safe}
timer = {{seconds = {seconds}}}
look_s = 1
"""


def text(port: int, seconds: int, fail_safe: str = '"device"') -> str:
    return ACTUATOR.format(devices=SITE.format(port=port), seconds=seconds, fail_safe=fail_safe)


def test_what_is_left_to_the_device_is_given_back_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant, site = EnergySite(), str(tmp_path / "site.toml")
    battery = plant.battery

    async def asked(value: str) -> None:
        assert await typed("desk", "ask", site, "battery active_power", value, "--for", "15min") == 0

    async def scenario() -> None:
        # Somebody else has set it, for good: as long as nobody asks here it is none of ours.
        battery.put(704, "WSet", 700)
        battery.put(704, "WSetEna", 1)
        async with serve(plant) as port, running(tmp_path, text(port, 30)) as daemon:
            await until(lambda: "battery" in daemon.image.snapshot and not daemon.image.without_value())
            assert battery.get(704, "WSet") == 700
            await asked("-1500")
            await until(lambda: plant.battery.power_mw == 1_500_000)
            assert battery.get(704, "WSetRvrtTms") == 30 and battery.get(704, "WSetEnaRvrt") == 0
            assert await typed("desk", "ask", site, "battery active_power", "-5001", "--for", "15min") == 1
            assert await typed("desk", "show", site) == 0
            assert await typed("desk", "withdraw", site, "battery active_power") == 0
            await until(lambda: plant.battery.power_mw == 0)
            assert battery.get(704, "WSetEna") == 0
            # And at the end of the gateway.
            await asked("-1200")
            await until(lambda: plant.battery.power_mw == 1_200_000)
        plant.advance()
        assert battery.get(704, "WSetEna") == 0

    asyncio.run(scenario())
    shown = capsys.readouterr()
    assert "-5001 W is outside what it may have, -5000 W to 5000 W" in shown.err
    assert "battery active_power: -1500 W (user " in shown.out
    told = words(tmp_path)
    assert told[0].startswith("battery active_power: left to the device")
    assert "battery active_power: desk: what the device decides: reads as written" in told


def test_the_battery_falls_back_by_itself_when_the_gateway_is_killed(tmp_path: Path) -> None:
    plant, site = EnergySite(), str(tmp_path / "site.toml")

    async def scenario() -> None:
        async with serve(plant) as port:
            (tmp_path / "site.toml").write_text(text(port, 3))
            gateway = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "wayside", "run", site, env=os.environ, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                asked = ("desk", "ask", site, "battery active_power", "-2000", "--for", "1h")
                await until((tmp_path / "state" / "manage.sock").exists)
                assert await asyncio.to_thread(main, list(asked)) == 0
                await until(lambda: plant.battery.power_mw == 2_000_000)
                began_ms = plant.now_ms
                # It is begun anew before it ends, as long as there is somebody to do it.
                await until(lambda: plant.now_ms > began_ms + 4_000)
                assert plant.battery.power_mw == 2_000_000
                os.kill(gateway.pid, signal.SIGKILL)
            finally:
                await gateway.wait()
            killed_ms = plant.now_ms

            def fell_back() -> bool:
                plant.advance()
                return plant.battery.power_mw == 0

            await until(fell_back)
            assert plant.now_ms - killed_ms < 6_000, "within its time, delay and ramp"
            assert plant.battery.get(704, "WSetEna") == 0

    asyncio.run(scenario())


def test_a_site_file_says_which_timer_it_is(tmp_path: Path) -> None:
    for wrong, said in (
        ('timer = {seconds = 90, control = "reversion"}', "active_power has a timer of its own"),
        ('control = "connect"', "connect has no timer of its own; name the control that begins one"),
        ('control = "active_pwer"', 'did you mean "active_power"'),
        ("fail_safe = 0.5", "lies between two steps"),
    ):
        lines = {line.partition(" ")[0]: line for line in text(502, 90).partition("[[actuator]]")[2].splitlines()}
        lines[wrong.partition(" ")[0]] = wrong
        path = tmp_path / "site.toml"
        path.write_text(text(502, 90).partition("[[actuator]]")[0] + "[[actuator]]\n" + "\n".join(lines.values()))
        with pytest.raises(config.SiteFileError) as told:
            config.load(path)
        assert said in str(told.value), wrong


def test_without_a_timer_only_what_can_be_given_back_is_left_to_the_device(tmp_path: Path) -> None:
    path, without = tmp_path / "site.toml", text(502, 60).replace("timer = {seconds = 60}\n", "")
    path.write_text(without)
    config.load(path)
    path.write_text(without.replace("active_power", "storage_reserve"))
    with pytest.raises(config.SiteFileError, match="needs a timer: without one"):
        config.load(path)


def test_what_a_dead_gateway_left_is_given_back_at_the_next_start(tmp_path: Path) -> None:
    plant = EnergySite()
    battery = plant.battery

    async def scenario() -> None:
        battery.put(704, "WSet", 700)
        battery.write(40000 + battery.places[704, "WSetEna"][0] // 2, b"\0\1")
        async with serve(plant) as port:
            site = text(port, 30).replace("timer = {seconds = 30}\n", "")
            async with running(tmp_path, site):
                await until(lambda: battery.get(704, "WSetEna") == 0)

    asyncio.run(scenario())


def test_a_control_that_the_device_ends_by_itself_is_written_again_in_time(tmp_path: Path) -> None:
    site = text(502, 60).replace('unit = 3\nprofile = "sunspec"', 'unit = 3\nprofile = "sma-sunny-island"')
    path = tmp_path / "site.toml"
    path.write_text(site)
    config.load(path)
    path.write_text(site.replace("{seconds = 60}", '{seconds = 60, control = "reversion"}'))
    with pytest.raises(config.SiteFileError, match="active_power has a timer of its own"):
        config.load(path)
