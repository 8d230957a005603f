"""Certificates that end: told in the status and, 30, 7 and 1 days before, in the messages; what a clock is worth."""

import asyncio
import logging
from pathlib import Path

import pytest
from north.certificates import Authority
from north.mosquitto import PROGRAM, Mosquitto
from waiting import until
from wayside.daemon.daemon import Daemon
from wayside.daemon.status import picture, snapshot
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import ClockBody
from wayside.evidence.stream import GATEWAY
from wayside.log import Append, Log
from wayside.north.forward import Forwarder
from wayside.runtime.clock import SystemClock
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.site.certificates import ExpiryWatch, KnownTime, PartCertificates, is_due, sentence, told
from wayside.trust.keys import SoftwareKey
from wayside.values.reading import TimeQuality

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


class SetClock(SystemClock):
    """A clock of this quality, at this time."""

    def __init__(self, quality: TimeQuality = TimeQuality.SYNCED, now_ms: int = NOW_MS):
        super().__init__()
        self.quality, self.now_ms = quality, now_ms

    def utc_ms(self) -> int:
        return self.now_ms

    def time_quality(self) -> TimeQuality:
        return self.quality


def row(left_days: int | None) -> dict[str, object]:
    return {"part": "sink city", "what": "client", "not_after_ms": NOW_MS, "left_days": left_days}


def test_each_warning_comes_once_and_again_for_another_certificate(caplog: pytest.LogCaptureFixture):
    rows: list[dict[str, object]] = []
    watch = ExpiryWatch(lambda: rows)
    warned = []
    for left in (31, 30, 29, 29, 8, 7, 6, 2, 1, 0, 0, -1, -2):
        rows[:] = [row(left)]
        watch.look()
        warned.append(len(caplog.records))
        caplog.clear()
    assert warned == [0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0]
    rows[:] = [row(5) | {"not_after_ms": NOW_MS + 1}]
    watch.look()
    assert [record.getMessage() for record in caplog.records] == [
        "certificate of sink city (client) ends 2026-09-21T14:13Z, in 5 days"
    ]


def test_a_clock_that_may_be_wrong_warns_of_nothing_and_says_so(caplog: pytest.LogCaptureFixture):
    watch = ExpiryWatch(lambda: [row(None)])
    watch.look()
    assert not caplog.records and not is_due(row(None))
    assert sentence(row(None)).endswith("ends 2026-09-21T14:13Z; the clock is not synchronised")
    assert sentence(row(-3)).endswith("ended 2026-09-21T14:13Z")


def test_files_are_read_again_when_they_are_renewed(tmp_path: Path):
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("client", days=1)
    watched = PartCertificates("sink city", {"client": certificate, "authority": tmp_path / "not there"})
    ((what, first),) = watched.ends()
    assert what == "client"
    assert not list(PartCertificates("x", {"client": authority.issue("k")[1]}).ends()), "a key is no certificate"
    certificate.unlink()
    assert not list(watched.ends())
    authority.issue("client", days=20)
    ((_, second),) = watched.ends()
    assert 18 * DAY_MS < second - first < 20 * DAY_MS
    expected = {"part": "sink city", "what": "client", "not_after_ms": second, "left_days": (second - first) // DAY_MS}
    assert told([watched], first, TimeQuality.SYNCED) == [expected]
    assert told([watched], first, TimeQuality.HOLDOVER)[0]["left_days"] is None


def test_what_is_certain_of_the_time_comes_from_the_log(tmp_path: Path):
    key = SoftwareKey(bytes(32))
    log = Log(tmp_path, "test.example", key.public, key.sign, lambda: (NOW_MS, TimeQuality.SYNCED))
    for at_ms, quality in ((NOW_MS - DAY_MS, TimeQuality.SYNCED), (NOW_MS + DAY_MS, TimeQuality.HOLDOVER)):
        log.append_entries([Append(GATEWAY, encode_unplaced(at_ms, quality, ClockBody(0)))])
    clock = SetClock(TimeQuality.UNSYNCED, 0)
    known = KnownTime(clock, log)
    assert known.at_least_ms() == NOW_MS - DAY_MS, "an entry of a clock that may have been wrong does not count"
    clock.quality, clock.now_ms = TimeQuality.SYNCED, NOW_MS
    assert known.at_least_ms() is None, "the clock is right"
    clock.quality, clock.now_ms = TimeQuality.HOLDOVER, 0
    assert known.at_least_ms() == NOW_MS, "it was right a moment ago"
    log.close()


def test_the_status_tells_when_the_brokers_and_our_own_certificates_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """On a real broker that asks for a client certificate: that one ends in two days, the broker's own in one."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")
    authority = Authority(tmp_path)
    broker_files, client_files = authority.issue("broker", days=1), authority.issue("client", days=2)
    for name, file in (("ca.pem", authority.ca_file), ("client.pem", client_files[0]), ("client.key", client_files[1])):
        secret_files.write(tmp_path / "site.toml", Role.TLS, name, file.read_bytes())
    lines = [f"cafile {authority.ca_file}", f"certfile {broker_files[0]}", f"keyfile {broker_files[1]}"]
    path = tmp_path / "site.toml"

    async def scenario(port: int) -> None:
        path.write_text(
            f'[site]\nname = "test.example"\n[[sink]]\nname = "city"\nkind = "mqtt"\nurl = "mqtts://127.0.0.1:{port}"\n'
            f'ca_file = "ca.pem"\ncert_file = "client.pem"\nkey_file = "client.key"\n'
        )
        clock = SetClock(TimeQuality.SYNCED, SystemClock().utc_ms())
        daemon = Daemon(config.load(path), path, clock)
        running = asyncio.create_task(daemon.run())
        try:
            await until(lambda: any(each.status.connected for each in daemon.parts.of(Forwarder)))
            state = snapshot(daemon.parts)
            rows = {each["what"]: each["left_days"] for each in state["certificates"]}
            assert rows.keys() == {"client", "authority", "far side"}
            assert rows["far side"] == 0 and rows["client"] == 1
            metrics = {family.name: list(family.samples) for family in picture(daemon.parts).families()}
            ends = metrics["wayside_certificate_not_after_timestamp_seconds"]
            assert ({"part": "sink city", "certificate": "client"}) in [labels for labels, _ in ends]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert any("certificate of sink city (client) ends" in record.getMessage() for record in caplog.records)

    with caplog.at_level(logging.WARNING), Mosquitto(tmp_path, *lines, "require_certificate true") as mosquitto:
        asyncio.run(scenario(mosquitto.port))
