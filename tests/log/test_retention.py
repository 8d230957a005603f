"""Retention: what is erased is gone from the disk, what stays is proven as before, and the log says what went."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.cli import main
from wayside.evidence import EvidenceError, merkle
from wayside.evidence.bundle import BundleClaim, write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import commitment, decode_entry, encode_unplaced
from wayside.evidence.kinds import LOG, REGISTERED, KeyBody, RetentionBody
from wayside.evidence.stream import GATEWAY, KEYS, device_stream
from wayside.evidence.verify import verify_bundle
from wayside.log import Append, Log, LogReader
from wayside.log.retention import RetentionPolicy, expire, fit
from wayside.log.store import LEFT_BY_ERASED
from wayside.log.tiles import Pruned, resource

from .crash import KEY, open_log
from .made import STREAM, a_note, a_pack

SYNCED, HOLDOVER = 2, 1
OTHER = device_stream("n")
SECRET = b"a household's reading"


def fill(log: Log, count: int, device: str = "m") -> None:
    """Packs of a device; or, of "gateway", entries of its own."""
    first = log.size
    if device == GATEWAY:
        log.append_entries([a_note(b"%d" % i) for i in range(first, first + count)])
    else:
        log.append_entries([a_pack(i, b"%s %d" % (SECRET, i), device, 1000 * i) for i in range(first, first + count)])


def erased(log: Log) -> list[int]:
    return [each.index for each in log.records(0, log.size) if not each.salt]


def retentions(log: Log) -> list[RetentionBody]:
    entries = [decode_entry(each.entry) for each in log.records(0, log.size) if each.entry]
    return [each.body for each in entries if isinstance(each.body, RetentionBody)]


def test_entries_go_by_age_and_every_other_proof_stays(tmp_path: Path):
    log = open_log(tmp_path)
    fill(log, 600)
    leaves = [merkle.leaf_hash(commitment(each.salt, each.entry)) for each in log.records(0, 600)]
    assert expire(log, {STREAM: RetentionPolicy(max_age_ms=300_000)}, 500_000, SYNCED) == 200
    assert erased(log) == list(range(200))
    assert retentions(log) == [RetentionBody(0, 200, "age")]
    for index in (0, 199, 200, 599):
        merkle.verify_inclusion(index, log.size, leaves[index], log.inclusion_proof(index), log.root)
    log.check(0, log.size)
    log.close()
    log = open_log(tmp_path)
    assert (log.found, log.origin) == ("", "test.example/log/0")
    assert expire(log, {STREAM: RetentionPolicy(max_age_ms=300_000)}, 500_000, SYNCED) == 0, "nothing is done twice"
    assert len(retentions(log)) == 1


def test_an_erased_entry_is_in_no_file_any_more(tmp_path: Path):
    log = open_log(tmp_path)
    fill(log, 600)
    salts = [each.salt for each in log.records(0, 200)]
    expire(log, {STREAM: RetentionPolicy(max_age_ms=300_000)}, 500_000, SYNCED)
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert SECRET + b" 200" in content
    assert not any(SECRET + b" %d\xff"[:-1] % i in content for i in range(110, 200))
    assert not any(salt in content for salt in salts)


def test_what_is_erased_makes_room_for_what_comes(tmp_path: Path):
    """The disk stays bounded: an entry that is erased leaves its hash and its place behind, and no more."""
    log = open_log(tmp_path)

    def fill_and_expire(count: int) -> int:
        for _ in range(count):
            first = log.size
            log.append_entries([a_pack(first + i, bytes(600), at_ms=0) for i in range(256)])
            assert log.size == first + 256
            expire(log, {STREAM: RetentionPolicy(max_bytes=256 * 1024)}, 0, HOLDOVER)
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    before, entries = fill_and_expire(20), log.size
    per_entry = (fill_and_expire(20) - before) / (log.size - entries)
    assert per_entry < LEFT_BY_ERASED, f"{per_entry:.0f} bytes per entry that is gone"


@pytest.mark.parametrize(
    "policy", [RetentionPolicy(max_age_ms=640_000), RetentionPolicy(max_bytes=60_000)], ids=["age", "size"]
)
def test_what_is_said_about_retention_is_little_beside_what_goes(tmp_path: Path, policy: RetentionPolicy):
    """A pass after every entry: not every one of them erases."""
    log = open_log(tmp_path)
    fill(log, 1024)
    for _ in range(500):
        fill(log, 1)
        expire(log, {STREAM: policy}, 1000 * log.size, SYNCED)
    gone = len(erased(log))
    assert gone > 250 and len(retentions(log)) < gone / 8


def test_each_stream_keeps_to_its_share_and_nobodys_flood_erases_anothers_past(tmp_path: Path):
    log = open_log(tmp_path)
    share = 4_000_000
    log.append_entries([a_pack(i, bytes(1200), "n", 0) for i in range(512)])
    kept = log.stored(OTHER)[0]
    for _ in range(40):
        log.append_entries([a_pack(log.size + i, bytes(900), "m", 0) for i in range(256)])
        while expire(log, fit(log, {}, (STREAM, OTHER), share), 0, HOLDOVER):
            pass
        assert log.disk_bytes() < 1.1 * share
        assert log.stored(OTHER)[0] == kept, "the flood of one device takes nothing of another's"
    assert log.stored(STREAM)[0] < share / 2
    log.check(0, log.size)


def test_a_share_is_given_by_size_or_is_an_equal_part_of_the_rest(tmp_path: Path):
    log = open_log(tmp_path)
    third = device_stream("o")
    tight = fit(log, {STREAM: RetentionPolicy(max_age_ms=5, max_bytes=4_000_000)}, (STREAM, OTHER, third), 10_000_000)
    assert tight[STREAM] == RetentionPolicy(5, 4_000_000 * 15 // 16)
    assert tight[OTHER] == tight[third] == RetentionPolicy(None, 3_000_000 * 15 // 16)


def test_entries_go_by_size(tmp_path: Path):
    log = open_log(tmp_path)
    fill(log, 600)
    each = len(log.records(300, 1)[0].entry)
    expire(log, {STREAM: RetentionPolicy(max_bytes=400 * each)}, 0, HOLDOVER)
    assert 195 <= len(erased(log)) <= 205
    assert retentions(log)[0].cause == "size"
    assert log.stored(STREAM)[0] <= 400 * each


def test_only_the_stream_that_is_meant_and_never_the_gateways(tmp_path: Path):
    log = open_log(tmp_path)
    for stream in ("m", "gateway", "n", "m"):
        fill(log, 150, stream)
    expire(log, {STREAM: RetentionPolicy(max_age_ms=1), GATEWAY: RetentionPolicy(max_age_ms=1)}, 10**9, SYNCED)
    assert erased(log) == [*range(150), *range(450, 512)], "up to the last full tile"


def test_age_waits_for_the_slowest_sink(tmp_path: Path):
    log = open_log(tmp_path)
    fill(log, 600)
    log.set_cursor("fast", 600)
    log.set_cursor("slow", 120)
    policies = {STREAM: RetentionPolicy(max_age_ms=300_000)}
    assert expire(log, policies, 500_000, SYNCED, ["fast", "never seen"]) == 0
    assert expire(log, policies, 500_000, SYNCED, ["fast", "slow"]) == 120
    assert erased(log) == list(range(120)) and retentions(log)[-1].cause == "age"
    log.set_cursor("slow", 600)
    assert expire(log, policies, 500_000, SYNCED, ["fast", "slow"]) == 80
    assert retentions(log) == [RetentionBody(0, 120, "age"), RetentionBody(120, 200, "age")]


@pytest.mark.parametrize(("cursor", "cause"), [(0, "size, undelivered"), (199, "size, undelivered"), (600, "size")])
def test_size_does_not_wait_for_a_sink_and_says_so(tmp_path: Path, cursor: int, cause: str):
    log = open_log(tmp_path)
    fill(log, 600)
    log.set_cursor("city", cursor)
    each = len(log.records(300, 1)[0].entry)
    assert expire(log, {STREAM: RetentionPolicy(max_bytes=400 * each)}, 0, SYNCED, ["city"]) >= 195
    assert retentions(log)[0].cause == cause


def test_the_log_command_shows_an_erased_entry_as_pruned(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = open_log(tmp_path / "state" / "log")
    fill(log, 600)
    expire(log, {STREAM: RetentionPolicy(max_age_ms=300_000)}, 500_000, SYNCED)
    log.close()
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "test.example"\nstate = "state"\n')
    assert main(["log", str(site), "--entries", "601"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert shown[199] == {"index": 199, "kind": "PRUNED"} and shown[200]["kind"] == "pack"
    assert shown[600]["body"] == {"first": 0, "end": 200, "cause": "age", "origin": ""}


@pytest.mark.parametrize("quality", [0, HOLDOVER])
def test_a_clock_that_is_not_synchronised_erases_nothing_by_age(tmp_path: Path, quality: int):
    log = open_log(tmp_path)
    fill(log, 600)
    assert expire(log, {STREAM: RetentionPolicy(max_age_ms=1)}, 10**12, quality) == 0


# --- clocks that were wrong ---

DAY_MS, YEAR_MS = 86_400_000, 31_536_000_000
NOW_MS = 1_790_000_000_000
A_WEEK = {STREAM: RetentionPolicy(max_age_ms=7 * DAY_MS)}


def fill_from(log: Log, count: int, first_ms: int, quality: int, device: str = "m") -> None:
    """Packs of a device, one a second by a clock that is worth so much."""
    log.append_entries([a_pack(log.size + i, b"x", device, first_ms + 1000 * i, quality=quality) for i in range(count)])


@pytest.mark.parametrize("quality", [0, HOLDOVER])
@pytest.mark.parametrize("device", ["m", "n"])
def test_what_was_logged_in_1970_is_as_old_as_the_first_right_time_behind_it(tmp_path: Path, quality: int, device: str):
    """A machine without a battery: 600 reports, then the right time; by another device too, if it went silent."""
    log = open_log(tmp_path)
    fill_from(log, 600, 5_000, quality)
    assert expire(log, A_WEEK, NOW_MS, SYNCED) == 0, "nothing behind them says when"
    fill_from(log, 300, NOW_MS, SYNCED, device)
    assert expire(log, A_WEEK, NOW_MS + DAY_MS, SYNCED) == 0
    assert expire(log, A_WEEK, NOW_MS + 8 * DAY_MS, SYNCED) >= 600 and retentions(log)[0].first == 0


def test_a_stamp_of_the_future_holds_nothing_back(tmp_path: Path):
    log = open_log(tmp_path)
    fill_from(log, 300, NOW_MS, SYNCED)
    fill_from(log, 2, NOW_MS + YEAR_MS, SYNCED)
    fill_from(log, 300, NOW_MS + DAY_MS, SYNCED)
    assert expire(log, A_WEEK, NOW_MS + 7 * DAY_MS + DAY_MS // 2, SYNCED) == 300, "the two are as old as what is behind"
    assert expire(log, A_WEEK, NOW_MS + 8 * DAY_MS + DAY_MS // 2, SYNCED) > 200


def test_a_stamp_of_the_future_ahead_of_all_others_holds_nothing_back(tmp_path: Path):
    log = open_log(tmp_path)
    fill_from(log, 2, NOW_MS + YEAR_MS, SYNCED)
    fill_from(log, 600, NOW_MS, SYNCED)
    assert expire(log, A_WEEK, NOW_MS + 8 * DAY_MS, SYNCED) > 500


def test_an_epoch_without_a_right_time_is_as_old_as_the_beginning_of_the_next(tmp_path: Path):
    log = open_log(tmp_path)
    fill_from(log, 300, 5_000, HOLDOVER)
    end_epoch(log, NOW_MS, HOLDOVER)
    assert expire(log, A_WEEK, NOW_MS + YEAR_MS, SYNCED) == 0
    fill_from(log, 3, NOW_MS, SYNCED)
    assert expire(log, A_WEEK, NOW_MS + DAY_MS, SYNCED) == 0
    assert expire(log, A_WEEK, NOW_MS + 8 * DAY_MS, SYNCED) == 300


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 90), st.booleans(), st.integers(-YEAR_MS, YEAR_MS)), max_size=5))
def test_nothing_goes_before_its_true_age_whatever_the_clock_did(runs: list[tuple[int, bool, int]]):
    """And everything goes in the end. Of each run the true time is known to the test, the log's is off by so much."""
    with tempfile.TemporaryDirectory() as folder:
        log, true_ms, ages = open_log(Path(folder)), NOW_MS, []
        for count, is_right, error_ms in [*runs, (300, True, 0)]:
            at_ms = true_ms if is_right else max(0, true_ms + error_ms)
            fill_from(log, count, at_ms, SYNCED if is_right else HOLDOVER)
            ages += [true_ms + 1000 * i for i in range(count)]
            true_ms += 1000 * count
        for later_ms in range(true_ms, true_ms + 9 * DAY_MS, DAY_MS // 2):
            expire(log, A_WEEK, later_ms, SYNCED)
            assert all(ages[index] < later_ms - 7 * DAY_MS for index in erased(log) if index < len(ages))
        assert len(erased(log)) >= (len(ages) & ~255), "up to the last full tile"
        log.close()


def test_power_may_go_between_the_word_and_the_deed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = open_log(tmp_path)
    fill(log, 600)
    with monkeypatch.context() as patch:
        patch.setattr(log._store, "erase", lambda *place: (_ for _ in ()).throw(OSError("power")))
        with pytest.raises(Exception, match="power"):
            expire(log, {STREAM: RetentionPolicy(max_age_ms=300_000)}, 500_000, SYNCED)
    log.close()
    log = open_log(tmp_path)
    assert expire(log, {STREAM: RetentionPolicy(max_age_ms=300_000)}, 500_000, SYNCED) == 200
    assert erased(log) == list(range(200))


def test_what_is_pruned_is_called_so(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries([Append(KEYS, encode_unplaced(0, 2, KeyBody(KEY.public, LOG, (), REGISTERED)))])
    fill(log, 599)
    assert resource(log, "tile/entries/000")
    expire(log, {STREAM: RetentionPolicy(max_age_ms=300_000)}, 500_000, SYNCED)
    with pytest.raises(Pruned):
        resource(log, "tile/entries/000")
    assert resource(log, "tile/0/000")
    with pytest.raises(EvidenceError, match="PRUNED"):
        write_bundle(tmp_path / "all", log)
    bundle = write_bundle(tmp_path / "later", log, BundleClaim(STREAM, 300, 400))
    _, findings = verify_bundle(bundle, Trust.in_key(log._key))
    assert {each.subject: each.holds for each in findings}["inclusion"]
    assert KEY.public == log._key.public


# --- epochs that have ended ---


def end_epoch(log: Log, at_ms: int = 0, quality: int = SYNCED) -> None:
    log.rotate(KEY.public, KEY.sign, lambda: (at_ms, quality))


def read(folder: Path, epoch: int) -> LogReader:
    return LogReader(folder, epoch=epoch)


def left(folder: Path, epoch: int) -> list[int]:
    log = read(folder, epoch)
    found = [each.index for each in log.records(0, log.size) if each.salt]
    log.close()
    return found


def test_ended_epochs_go_by_age_to_their_last_entry(tmp_path: Path):
    """Also what is under the last tile, which no entry will ever fill; proofs and checkpoint stay."""
    log = open_log(tmp_path)
    fill(log, 300)
    leaves = [merkle.leaf_hash(commitment(each.salt, each.entry)) for each in log.records(0, 300)]
    end_epoch(log)
    policies = {STREAM: RetentionPolicy(max_age_ms=100_000)}
    assert expire(log, policies, 200_000, SYNCED) == 100
    assert left(tmp_path, 0) == list(range(100, 300))
    assert expire(log, policies, 10**9, SYNCED) == 200
    assert left(tmp_path, 0) == []
    ended = read(tmp_path, 0)
    for index in (0, 255, 256, 299):
        merkle.verify_inclusion(index, 300, leaves[index], ended.inclusion_proof(index), ended.root)
    assert resource(ended, "tile/0/001.p/44") == b"".join(leaves[256:])
    ended.close()
    said = retentions(log)
    assert said[0] == RetentionBody(0, 100, "age", "test.example/log/0") and said[1].end == 300
    assert expire(log, policies, 10**9, SYNCED) == 0, "nothing is done twice"
    content = b"".join(each.read_bytes() for each in tmp_path.glob("epoch-0.*"))
    assert SECRET not in content


def test_several_epochs_are_worked_off_and_a_damaged_one_is_passed_over(tmp_path: Path):
    log = open_log(tmp_path)
    for _ in range(3):
        fill(log, 10)
        end_epoch(log)
    (tmp_path / "epoch-1.sqlite").write_bytes(b"no database" * 999)
    total = 0
    while count := expire(log, {STREAM: RetentionPolicy(max_age_ms=1)}, 10**9, SYNCED):
        total += count
    assert total == 20 and left(tmp_path, 0) == [] and SECRET not in (tmp_path / "epoch-2.sqlite").read_bytes()


def test_the_oldest_epoch_goes_first_when_the_size_is_over(tmp_path: Path):
    log = open_log(tmp_path)
    fill(log, 300)
    end_epoch(log)
    fill(log, 300)
    each = log.stored(STREAM)[0] / 300
    policy = {STREAM: RetentionPolicy(max_bytes=int(500 * each))}
    while expire(log, policy, 10**9, HOLDOVER):
        pass
    assert 90 <= 300 - len(left(tmp_path, 0)) <= 110 and not erased(log)
    policy = {STREAM: RetentionPolicy(max_bytes=int(200 * each))}
    while expire(log, policy, 10**9, HOLDOVER):
        pass
    assert left(tmp_path, 0) == [] and 90 <= len(erased(log)) <= 110


def test_an_ended_epoch_gives_its_room_back_and_then_the_newest_keeps_what_fits(tmp_path: Path):
    log = open_log(tmp_path)

    def fill_large(count: int) -> None:
        log.append_entries([a_pack(log.size + i, bytes(900), at_ms=0) for i in range(count)])

    fill_large(2048)
    end_epoch(log)
    fill_large(1024)
    before = (tmp_path / "epoch-0.sqlite").stat().st_size
    share = log.disk_bytes() - before // 2
    while expire(log, fit(log, {}, (STREAM,), share), 0, HOLDOVER):
        pass
    assert log.disk_bytes() <= 1.1 * share and not erased(log), "the oldest went, and no more than had to"
    assert (tmp_path / "epoch-0.sqlite").stat().st_size < 0.6 * before and left(tmp_path, 0)


def test_age_waits_for_what_an_ended_epoch_still_owes(tmp_path: Path):
    log = open_log(tmp_path)
    fill(log, 300)
    log.set_cursor("city", 40)
    end_epoch(log)
    assert expire(log, {STREAM: RetentionPolicy(max_age_ms=1)}, 10**9, SYNCED, ["city"]) == 40
    assert left(tmp_path, 0) == list(range(40, 300))


def test_a_stream_that_gets_a_policy_later_is_looked_for_in_every_epoch(tmp_path: Path):
    log = open_log(tmp_path)
    fill(log, 10)
    fill(log, 10, "other")
    end_epoch(log)
    while expire(log, {STREAM: RetentionPolicy(max_age_ms=1)}, 10**9, SYNCED):
        pass
    assert expire(log, {device_stream("other"): RetentionPolicy(max_age_ms=1)}, 10**9, SYNCED) == 10
