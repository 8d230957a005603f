"""kill -9 loses polls that no number misses: the first entries after a start say from when to when, for each device."""

import asyncio
import signal
import sys
import time
from bisect import bisect_right
from pathlib import Path

from site_daemon import entries, packs, running
from waiting import until
from wayside import config
from wayside.evidence.bundle import write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.kinds import NOT_RECORDED, Device
from wayside.evidence.note import parse_key
from wayside.evidence.stream import device_stream
from wayside.evidence.verify import verify_bundle
from wayside.log import LogReader
from wayside.plant import Sdm630, answer_for, serve_tcp
from wayside.site.state import run_note
from wayside.site.unrecorded import read_by_gateway
from wayside_wire.modbus import READ_INPUT

SITE = """
[site]
name = "test.example"
state = "state"
[log]
commit_ms = 400
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 50
report_ms = 50
channels = ["voltage_l1"]
"""
METER_2 = """
[[bus.device]]
name = "meter-2"
unit = 2
profile = "eastron-sdm630"
channels = ["voltage_l2"]
"""


def stretches(folder: Path, device: str = "meter-1") -> list[tuple[int, int]]:
    """(from, to) of each time that nothing was recorded."""
    found = []
    for entry in entries(folder):
        if isinstance(entry.body, Device) and entry.body.event == NOT_RECORDED:
            assert entry.body.last_good_ms is not None
            if entry.stream == device_stream(device):
                found.append((entry.body.last_good_ms, entry.logged_at_ms))
    return found


def test_every_poll_that_a_kill_loses_lies_in_a_time_that_an_entry_names(tmp_path: Path):
    """Also of a gateway that is killed before its first commit."""
    answered: list[int] = []
    answer = answer_for({1: Sdm630(1)})

    def counted(request: bytes) -> bytes | None:
        if request[1] == READ_INPUT:  # and not its serial number
            answered.append(time.time_ns() // 1_000_000)
        return answer(request)

    async def scenario() -> None:
        path = tmp_path / "site.toml"
        async with serve_tcp(counted) as port:
            path.write_text(SITE.format(port=port))
            for count, how in ((5, signal.SIGKILL), (45, signal.SIGKILL), (50, signal.SIGKILL), (10, signal.SIGTERM)):
                wanted = len(answered) + count
                gateway = await asyncio.create_subprocess_exec(sys.executable, "-m", "wayside", "run", path)
                await until(lambda wanted=wanted: len(answered) >= wanted)  # type: ignore[misc]
                gateway.send_signal(how)
                await gateway.wait()

    asyncio.run(scenario())
    recorded = [reading.time_ms for pack in packs(tmp_path, "meter-1") for reading in pack.readings]
    kept = {bisect_right(answered, time_ms) - 1 for time_ms in recorded}
    lost = [at for place, at in enumerate(answered) if place not in kept]
    named = stretches(tmp_path)
    assert len(named) == 3 and len(lost) >= 5, "one for each start but the first"
    silent = [at for at in lost if not any(first <= at <= end for first, end in named)]
    # The very last poll may have been answered and not taken when the gateway was asked to stop.
    assert silent in ([], [answered[-1]])


def test_the_verifier_shows_it_and_no_pack_is_missing(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1), 2: Sdm630(2)})) as port:
            for _ in range(2):
                async with running(tmp_path, SITE.format(port=port)) as daemon:
                    await until(lambda daemon=daemon: daemon.intake.counters["packs"] > 3)  # type: ignore[misc]

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    key = run_note(tmp_path / "site.toml").read_text().split("log's key: ")[1].split("\n")[0]
    _, findings = verify_bundle(write_bundle(tmp_path / "all", log), Trust.in_key(parse_key(key)))
    log.close()
    [told] = [each for each in findings if each.check == "sequence"]
    assert told.holds and told.facts["state"] == "COMPLETE" and len(told.facts["not_recorded"]) == 1
    assert "not recorded: 20" in told.text


def test_a_device_that_comes_back_to_the_site_file_is_told_of(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1), 2: Sdm630(2)})) as port:
            one, both = SITE.format(port=port), SITE.format(port=port) + METER_2
            path = tmp_path / "site.toml"
            async with running(tmp_path, both) as daemon:
                for text in (one, both):
                    await until(lambda: len(daemon.image.snapshot) == 1 + (text is one), text)  # noqa: B023
                    await daemon.committer.append([])
                    path.write_text(text)
                    await daemon.apply(config.load(path), text.encode())

    asyncio.run(scenario())
    assert len(stretches(tmp_path, "meter-2")) == 1 and not stretches(tmp_path)


def test_it_is_known_over_an_epoch_and_of_no_device_that_was_never_read(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1), 2: Sdm630(2)})) as port:
            async with running(tmp_path, SITE.format(port=port)) as daemon:
                await until(lambda: daemon.intake.counters["packs"] > 3)
            (tmp_path / "state" / "log" / "epoch-0.signed").unlink()
            async with running(tmp_path, SITE.format(port=port) + METER_2):
                pass

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    assert log.epoch == 1
    log.close()
    assert not stretches(tmp_path, "meter-2")


def test_devices_that_keep_their_own_reports_are_not_among_them(tmp_path: Path):
    path = tmp_path / "site.toml"
    node = f'[[node]]\nname = "n"\nport = "/dev/x"\ndevices = ["d"]\npublic_key = "{"01" * 32}"\n'
    path.write_text(SITE.format(port=1) + METER_2 + node)
    assert read_by_gateway(config.load(path)) == ["meter-1", "meter-2"]
