"""What `wayside export` takes out of a real log, and what `wayside verify` then says of it: no more than is there."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from evidence.site_log import NODE
from wayside.cli import main
from wayside.evidence import kinds
from wayside.evidence.bundle import read_bundle
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import DEVICE_ATTESTED, DISCARD_OLDEST, REGISTERED, KeyBody, OverloadBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.stream import KEYS, device_stream
from wayside.log import Append, ChainName, Log, PackPlace
from wayside.log.retention import RetentionPolicy, expire
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

from .crash import KEY, open_log

START_MS = 1_790_000_000_000
STREAM = device_stream("meter-1")
VKEY = str(NoteKey("test.example/log/0", ED25519, KEY.public))


class Site:
    """A site file and a log beside it, with one pack a minute of one meter."""

    def __init__(self, folder: Path):
        self.path = folder / "site.toml"
        self.path.write_text('[site]\nname = "test.example"\nstate = "state"\n')
        self.log: Log = open_log(folder / "state" / "log")
        self.evidence = folder / "evidence"
        key = KeyBody(NODE.public, kinds.NODE, ("meter-1",), REGISTERED)
        self.log.append_entries([Append(KEYS, encode_unplaced(START_MS, SYNCED, key))])
        self.previous, self.sequence = NO_PREVIOUS, 0

    def fill(self, count: int) -> None:
        for _ in range(count):
            now_ms = START_MS + 60_000 * self.sequence
            reading = Reading("energy_active_import", "J", 36_000 * self.sequence, 3, 0, "", now_ms)
            made = Pack("meter-1", 1, self.sequence, SYNCED, self.previous, (reading,))
            raw = sign_pack(made, NODE.kid, NODE.sign)
            self.previous = pack_hash(raw)
            place = PackPlace(ChainName("meter-1", NODE.kid), 1, self.sequence, self.previous)
            entry = encode_unplaced(now_ms, SYNCED, kinds.PackBody(DEVICE_ATTESTED, raw))
            self.log.append_entries([Append(STREAM, entry, place)])
            self.sequence += 1

    def export(self, *more: str) -> int:
        return main(["export", str(self.path), str(self.evidence), "--device", "meter-1", *more])

    def judged(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
        capsys.readouterr()
        status = main(["verify", str(self.evidence), "--key", VKEY])
        lines = capsys.readouterr().out.splitlines()
        return status, {line[7:29].strip(): line[30:] for line in lines if line[:5] in ("holds", "FAILS")}


def at(minute: int) -> str:
    return datetime.fromtimestamp(START_MS / 1000 + 60 * minute, UTC).isoformat()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_device_whole(site: Site, capsys: pytest.CaptureFixture[str]):
    site.fill(20)
    assert site.export() == 0
    status, said = site.judged(capsys)
    assert status == 0 and said["meter-1 sequence"].startswith("COMPLETE: packs from 1/0 to 1/19")


def test_an_interval_goes_from_the_pack_before_to_the_pack_behind_and_is_open(
    site: Site, capsys: pytest.CaptureFixture[str]
):
    site.fill(40)
    assert site.export("--from", at(10), "--to", at(20)) == 0
    claim = read_bundle(site.evidence).claim
    assert (claim.stream, claim.first, claim.end) == (STREAM, 9, 21)
    status, said = site.judged(capsys)
    assert status == 0 and said["meter-1 sequence"].startswith("OPEN: packs from 1/9 to 1/20")
    assert "9 earlier entries" in said["claim"] and "19 later entries" in said["claim"]


def test_an_interval_to_the_newest_pack_is_closed_there(site: Site, capsys: pytest.CaptureFixture[str]):
    site.fill(12)
    assert site.export("--from", at(8)) == 0
    assert read_bundle(site.evidence).claim.end is None
    _, said = site.judged(capsys)
    assert "OPEN at its beginning" in said["meter-1 sequence"] and "end" not in said["meter-1 sequence"]


def test_what_retention_erased_is_named_and_never_complete(site: Site, capsys: pytest.CaptureFixture[str]):
    site.fill(600)
    now_ms = START_MS + 60_000 * 600
    assert expire(site.log, {STREAM: RetentionPolicy(max_age_ms=60_000 * 400)}, now_ms, SYNCED) == 200
    site.fill(2)
    for more in ((), ("--to", at(300)), ("--from", at(250))):
        assert site.export(*more) == 0
        status, said = site.judged(capsys)
        assert status == 0 and "COMPLETE" not in said["meter-1 sequence"].replace("INCOMPLETE", "")
        assert "OPEN at its beginning" in said["meter-1 sequence"]
    assert site.export() == 0
    _, said = site.judged(capsys)
    assert "INCOMPLETE" in said["meter-1 sequence"] and "numbers up to 199 erased (age, entry 601)" in str(said)


def test_what_gave_way_to_a_slow_disk_is_named(site: Site, capsys: pytest.CaptureFixture[str]):
    site.fill(5)
    site.log.append_entries([Append(STREAM, encode_unplaced(START_MS, SYNCED, OverloadBody(500, DISCARD_OLDEST)))])
    site.fill(5)
    assert site.export() == 0
    status, said = site.judged(capsys)
    assert status == 0 and said["meter-1 sequence"].startswith("INCOMPLETE")
    assert "entry 6: 500 reports gave way (discard-oldest)" in said["meter-1 sequence"]


def test_what_is_not_there_is_said(site: Site, capsys: pytest.CaptureFixture[str]):
    site.fill(3)
    assert main(["export", str(site.path), str(site.evidence), "--device", "nosuch"]) == 1
    assert 'unknown device "nosuch"; known: meter-1' in capsys.readouterr().err
    assert main(["export", str(site.path), str(site.evidence), "--device", "meter-2"]) == 1
    assert 'did you mean "meter-1"?' in capsys.readouterr().err
    assert main(["export", str(site.path), str(site.evidence), "--device", "nosuch", "--entry", "0"]) == 2
    assert "leave --device out" in capsys.readouterr().err and not site.evidence.exists()
    assert site.export("--from", "1970-01-01", "--to", "1970-01-02") == 1
    assert "nothing of meter-1 was logged in this time" in capsys.readouterr().err
    assert not site.evidence.exists()


def test_all_of_a_device_is_erased(site: Site, capsys: pytest.CaptureFixture[str]):
    site.fill(300)
    site.log.rotate(KEY.public, KEY.sign, lambda: (START_MS, SYNCED))
    while expire(site.log, {STREAM: RetentionPolicy(max_age_ms=1)}, START_MS + 10**9, SYNCED):
        pass
    assert site.export("--epoch", "0") == 1
    assert "retention has erased all that there was of meter-1" in capsys.readouterr().err
