"""The log: what it promises is on disk, and what start-up makes of every kind of damage."""

import gc
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import commitment, decode_entry
from wayside.evidence.heads import Heads, committed
from wayside.evidence.kinds import EpochBody
from wayside.evidence.note import ED25519, NoteKey, open_checkpoint
from wayside.log import Append, Log, LogError
from wayside.log.signed import Signed
from wayside.trust.keys import SoftwareKey

from .made import a_note, a_pack, chain

KEY = SoftwareKey(bytes(range(32)))
SITE = "test.example"


def open_log(folder: Path, key: SoftwareKey = KEY) -> Log:
    return Log(folder, SITE, key.public, key.sign, lambda: (1_700_000_000_000, 2))


def entries(first: int, count: int, device: str = "meter-1") -> list[Append]:
    return [a_pack(i, b"%d" % i, device, 1000 + i) for i in range(first, first + count)]


def check_whole(log: Log) -> None:
    """Everything the log holds makes the root that it signed."""
    records = log.records(0, log.size)
    assert [each.index for each in records] == list(range(log.size))
    frontier = merkle.Frontier()
    for each in records:
        frontier.append(merkle.leaf_hash(commitment(each.salt, each.entry)))
    checkpoint, _ = open_checkpoint(log.checkpoint, NoteKey(log.origin, ED25519, KEY.public))
    assert (checkpoint.size, checkpoint.root) == (log.size, frontier.root()) == (log.size, log.root)
    told = [decode_entry(each.entry) for each in records]
    heads = Heads()
    assert [heads.count_entry(each.stream, index) for index, each in enumerate(told)] == [each.number for each in told]
    assert committed(checkpoint) == heads.commitment() and log.streams() == list(heads)
    log.check(0, log.size)


def test_what_is_appended_is_there_after_a_restart(tmp_path: Path):
    log = open_log(tmp_path)
    assert (log.size, log.checkpoint, log.origin) == (0, b"", "test.example/log/0")
    for start in range(0, 1500, 100):
        assert log.append_entries(entries(start, 100)) == start + 100
    check_whole(log)
    starts = log.starts
    log.close()
    log = open_log(tmp_path)
    assert (log.size, log.found) == (1500, "") and log.starts > starts > 0
    check_whole(log)
    assert log.chain_heads()[chain("meter-1")] == (1, 1499, b"%16d" % 1499)
    assert log.find_pack(chain("meter-1"), 1, 7) == b"%16d" % 7
    assert log.find_pack(chain("meter-1"), 2, 7) is None
    log.append_entries(entries(1500, 1))
    check_whole(log)


def test_a_late_pack_does_not_move_the_head(tmp_path: Path):
    log = open_log(tmp_path)
    late = a_pack(2, b"y", boot=3)
    assert late.pack
    log.append_entries([a_pack(9, b"x", boot=3)])
    log.append_entries([replace(late, pack=replace(late.pack, head=False))])
    assert log.chain_heads()[chain()] == (3, 9, b"%16d" % 9)
    assert log.find_pack(chain(), 3, 2) == b"%16d" % 2


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=4), data=st.data())
def test_proofs_hold_at_any_size(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject):
    log = open_log(tmp_path_factory.mktemp("log"))
    roots = {}
    for count in sizes:
        log.append_entries(entries(log.size, count))
        roots[log.size] = log.root
        if data.draw(st.booleans()):
            log.close()
            log = open_log(log.folder)
    leaves = [merkle.leaf_hash(commitment(each.salt, each.entry)) for each in log.records(0, log.size)]
    for old, root in roots.items():
        merkle.verify_consistency(old, log.size, log.consistency_proof(old), root, log.root)
    index = data.draw(st.integers(0, log.size - 1))
    merkle.verify_inclusion(index, log.size, leaves[index], log.inclusion_proof(index), log.root)
    end = data.draw(st.integers(index + 1, log.size))
    proof = log.subset_proof([(index, end)])
    assert merkle.root_from_subset(log.size, [(index, end)], iter(leaves[index:end]), proof) == log.root
    log.close()


def test_a_tail_without_checkpoint_is_dropped(tmp_path: Path):
    """Power went between the entries and their checkpoint: nobody was told of them."""
    log = open_log(tmp_path)
    log.append_entries(entries(0, 600))
    signed = (tmp_path / "epoch-0.signed").read_bytes()
    log.append_entries(entries(600, 300))
    log.close()
    (tmp_path / "epoch-0.signed").write_bytes(signed)
    log = open_log(tmp_path)
    assert log.size == 600 and "300 entries after the last checkpoint dropped" in log.found
    assert log.chain_heads()[chain("meter-1")].sequence == 599
    assert log.find_pack(chain("meter-1"), 1, 600) is None
    check_whole(log)
    log.append_entries(entries(600, 400))
    check_whole(log)


def damaged(log: Log, tmp_path: Path, cause: str) -> Log:
    """Open again; a new epoch must have begun, and its first entry must name the old one, its size and the cause."""
    before, size, root = log.origin, log.size, log.root
    log = open_log(tmp_path)
    assert log.origin == "test.example/log/1" and log.size == 1 and cause in log.found
    entry = decode_entry(log.records(0, 1)[0].entry)
    assert isinstance(entry.body, EpochBody) and entry.body.before == before
    assert (entry.body.size, entry.body.root) == (size, root) and cause in entry.body.cause
    log.append_entries(entries(0, 10))
    check_whole(log)
    log.close()
    log = open_log(tmp_path)
    assert (log.origin, log.found) == ("test.example/log/1", "")
    return log


def test_a_restored_database_ends_the_epoch(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 300))
    log.close()
    backup = (tmp_path / "epoch-0.sqlite").read_bytes()
    log = open_log(tmp_path)
    log.append_entries(entries(300, 50))
    starts = log.starts
    log.close()
    (tmp_path / "epoch-0.sqlite").write_bytes(backup)
    again = damaged(log, tmp_path, "the disk holds 300 entries, 350 were signed")
    assert again.starts > starts, "a boot number is never used twice"


def test_copies_do_not_count_their_starts_alike(tmp_path: Path):
    """Two gateways from one card: each start of either has a number of its own, and numbers only grow."""
    open_log(tmp_path / "card").close()
    numbers: list[int] = []
    for number in range(6):
        shutil.copytree(tmp_path / "card", tmp_path / str(number))
        chance, before = Random(number), 0
        for _ in range(5):
            log = Log(tmp_path / str(number), SITE, KEY.public, KEY.sign, lambda: (0, 2), chance.randbytes)
            assert log.starts > before
            before = log.starts
            numbers.append(before)
            log.close()
    assert len(set(numbers)) == len(numbers)


def test_a_boot_number_stays_below_32_bits(tmp_path: Path):
    log = open_log(tmp_path)
    log._signed.write(Signed(b"", 2**31 + 5))
    log.close()
    assert open_log(tmp_path).starts == 2**31 + 6


def test_a_lost_database_ends_the_epoch(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 30))
    log.close()
    (tmp_path / "epoch-0.sqlite").unlink()
    damaged(log, tmp_path, "the disk holds 0 entries, 30 were signed")


def test_an_overwritten_database_ends_the_epoch(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 30))
    log.close()
    (tmp_path / "epoch-0.sqlite").write_bytes(b"not a database at all" * 1000)
    damaged(log, tmp_path, "")


def test_a_changed_recent_entry_ends_the_epoch(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 30))
    log.close()
    with sqlite3.connect(tmp_path / "epoch-0.sqlite") as db:
        db.execute("UPDATE entry SET data = replace(data, x'01', x'02') WHERE idx = 7")
    damaged(log, tmp_path, "has not the root")


def test_a_changed_old_entry_is_found_by_the_check(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 5000))
    log.close()
    with sqlite3.connect(tmp_path / "epoch-0.sqlite") as db:
        db.execute("UPDATE entry SET salt = zeroblob(16) WHERE idx = 7")
    log = open_log(tmp_path)
    assert log.found == ""
    with pytest.raises(EvidenceError, match="entry 7 is not what was logged"):
        log.check(0, log.size)


def test_a_changed_old_tile_is_found_where_it_is_used(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 300))
    log.close()
    with sqlite3.connect(tmp_path / "epoch-0.sqlite") as db:
        db.execute("UPDATE tile SET root = zeroblob(32) WHERE level = 0 AND idx = 0")
    damaged(log, tmp_path, "has not the root")


def spoil_the_newest_slot(folder: Path) -> None:
    path = folder / "epoch-0.signed"
    content = bytearray(path.read_bytes())
    slot = max((0, 4096), key=lambda at: content[at + 8 : at + 16])
    content[slot + 40] ^= 1
    path.write_bytes(content)


def test_a_spoiled_slot_loses_nothing_and_signs_the_same_again(tmp_path: Path):
    """It may have rotted after the entries had been acknowledged, so they stay, and their root stays the same."""
    log = open_log(tmp_path)
    log.append_entries(entries(0, 10))
    log.append_entries(entries(10, 10))
    root = log.root
    log.close()
    spoil_the_newest_slot(tmp_path)
    log = open_log(tmp_path)
    assert (log.size, log.root, log.origin) == (20, root, "test.example/log/0") and "10 entries" in log.found
    check_whole(log)
    log.append_entries(entries(20, 10))
    log.close()
    log = open_log(tmp_path)
    assert (log.size, log.found) == (30, "")
    check_whole(log)


@pytest.mark.parametrize("how", ["gone", "zeros", "noise"])
def test_a_lost_signed_file_ends_the_epoch(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch):
    """What was signed is not known: nobody may go on under this origin, and no boot number may come again."""
    log = open_log(tmp_path)
    log.append_entries([*entries(0, 30), a_pack(0, b"x", "own", boot=7)])
    log.close()
    path = tmp_path / "epoch-0.signed"
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(8192) if how == "zeros" else b"\x55" * 8192)
    with monkeypatch.context() as patch:  # power goes before the new epoch has signed anything
        patch.setattr(Log, "append_entries", lambda *given: (_ for _ in ()).throw(OSError("power")))
        with pytest.raises(LogError, match="power"):
            open_log(tmp_path)
    gc.collect()
    log = damaged(log, tmp_path, "not known any more")
    assert log.starts > 7


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_later_epoch_whose_signed_file_is_lost_ends_too(tmp_path: Path, is_gone: bool):
    """It is not taken for one that had not begun, and the one before it is not taken up again."""
    log = open_log(tmp_path)
    log.append_entries(entries(0, 30))
    log.rotate(KEY.public, KEY.sign, lambda: (0, 2))
    log.append_entries(entries(0, 7))
    log.close()
    path = tmp_path / "epoch-1.signed"
    if is_gone:
        path.unlink()
    else:
        path.write_bytes(bytes(8192))
    log = open_log(tmp_path)
    body = decode_entry(log.records(0, 1)[0].entry).body
    assert log.origin == "test.example/log/2" and (body.before, body.size, body.note) == ("test.example/log/1", 8, None)
    assert (tmp_path / "epoch-1.sqlite").exists()
    log.close()
    log = open_log(tmp_path)
    assert (log.origin, log.found) == ("test.example/log/2", "")
    log.close()


def test_a_cut_while_an_epoch_begins_begins_it_again(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 30))
    starts = log.starts
    log.close()
    (tmp_path / "epoch-0.sqlite").unlink()
    whole = tmp_path / "whole"
    shutil.copytree(tmp_path, whole)
    for signed in (b"", bytes(8192), bytes(5000)):
        folder = tmp_path / f"cut {len(signed)}-{signed[:1].hex()}"
        shutil.copytree(whole, folder)
        (folder / "epoch-1.signed").write_bytes(signed)
        (folder / "epoch-1.sqlite").write_bytes(b"half a data")
        log = open_log(folder)
        assert log.origin == "test.example/log/1" and log.size == 1 and log.starts > starts
        assert isinstance(decode_entry(log.records(0, 1)[0].entry).body, EpochBody)
        log.close()


def test_a_failed_signature_write_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 10))
    with monkeypatch.context() as patch:
        patch.setattr(log._signed, "write", lambda signed: (_ for _ in ()).throw(OSError("no space left")))
        with pytest.raises(LogError, match="no space left; nothing of it was acknowledged"):
            log.append_entries(entries(10, 10))
    assert log.size == 10
    log.append_entries(entries(10, 5))
    assert log.size == 15
    check_whole(log)


def test_two_gateways_on_one_log_are_told_so(tmp_path: Path):
    log = open_log(tmp_path)
    with pytest.raises(LogError, match="another gateway"):
        open_log(tmp_path)
    log.close()


def test_another_key_is_told_so(tmp_path: Path):
    log = open_log(tmp_path)
    log.append_entries(entries(0, 1))
    log.close()
    with pytest.raises(LogError, match="log key"):
        open_log(tmp_path, SoftwareKey(bytes(32)))


def test_cursors_and_notes_outlive_a_restart(tmp_path: Path):
    log = open_log(tmp_path)
    assert log.cursor("city") == 0 and log.note("site") is None
    log.set_cursor("city", 17)
    log.append_entries([a_note(b"x", {"site": b"digest"})])
    log.close()
    log = open_log(tmp_path)
    assert log.cursor("city") == 17 and log.note("site") == b"digest"


def test_a_damaged_database_of_which_nothing_was_signed_is_begun_again(tmp_path: Path):
    log = open_log(tmp_path)
    starts = log.starts
    log.close()
    (tmp_path / "epoch-0.sqlite").write_bytes(b"not a database at all" * 1000)
    log = open_log(tmp_path)
    assert log.origin == "test.example/log/0" and "nothing was signed yet" in log.found and log.starts > starts
    log.append_entries(entries(0, 3))
    check_whole(log)
    log.close()
    log = open_log(tmp_path)
    assert (log.size, log.found) == (3, "")


def test_a_note_goes_with_its_entry_when_that_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = open_log(tmp_path)
    log.append_entries([a_note(b"first", {"place": b"1"})])
    with monkeypatch.context() as patched:
        patched.setattr(log._signed, "write", _refuse)
        for place in (b"2", b"3"):
            with pytest.raises(LogError):
                log.append_entries([a_note(b"second", {"place": place})])
            assert log.note("place") == b"1"
    log.close()
    log = open_log(tmp_path)
    assert log.size == 1 and log.note("place") == b"1"
    for number in range(5):
        log.append_entries([a_note(b"more", {"place": b"%d" % number})])
    assert log.note("place") == b"4"
    assert log._store._db.execute("SELECT count(*) FROM fact").fetchone()[0] <= 3
    log.close()


def _refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")
