"""Single entries that a disk has damaged: nobody is given them for good ones, and nobody is held up by them."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.evidence import EvidenceError
from wayside.evidence.stream import KEYS
from wayside.log import Append, Log, LogError, LogReader
from wayside.log.retention import RetentionPolicy, expire
from wayside.log.tiles import resource
from wayside.trust.keys import SoftwareKey

from .made import STREAM, a_pack, chain

KEY = SoftwareKey(bytes(range(32)))
ROT = {
    "a bit of an entry": "UPDATE entry SET data = CAST(replace(data, x'01', x'03') AS BLOB) WHERE idx = 7",
    "an entry that is garbage": "UPDATE entry SET data = x'000000' WHERE idx = 7",
    "an entry that is no bytes": "UPDATE entry SET data = 'ab' || char(233) WHERE idx = 7",
    "a number in its place": "UPDATE entry SET data = 5 WHERE idx = 7",
    "a salt": "UPDATE entry SET salt = zeroblob(16) WHERE idx = 7",
    "a short salt": "UPDATE entry SET salt = x'01' WHERE idx = 7",
    "no salt": "UPDATE entry SET salt = NULL WHERE idx = 7",
    "neither salt nor data": "UPDATE entry SET salt = NULL, data = NULL WHERE idx = 7",
    "no row": "DELETE FROM entry WHERE idx = 7",
}


def open_log(folder: Path) -> Log:
    return Log(folder, "test.example", KEY.public, KEY.sign, lambda: (0, 2))


def filled(folder: Path, count: int = 600) -> Log:
    log = open_log(folder)
    log.append_entries([a_pack(number, bytes(40)) for number in range(count)])
    return log


def rot(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "epoch-0.sqlite")) as db, db:
        db.execute(statement)


@pytest.mark.parametrize("what", ROT)
def test_a_damaged_entry_is_given_to_nobody_and_its_neighbours_are(tmp_path: Path, what: str):
    with closing(filled(tmp_path)) as log:
        rot(tmp_path, ROT[what])
        records = log.records(0, 600)
        assert [each.index for each in records] == list(range(600))
        assert [each.index for each in records if each.damaged] == [7]
        assert not records[7].salt and not records[7].entry and all(each.entry for each in records if each.index != 7)
        with pytest.raises(EvidenceError, match="entry 7 is not what was logged"):
            log.check(0, 600)
        with pytest.raises(LogError, match="entry 7 is damaged"):
            resource(log, "tile/entries/000")


def test_what_retention_erased_is_not_damaged(tmp_path: Path):
    with closing(filled(tmp_path)) as log:
        log.erase(STREAM, 0, 100)
        assert not any(each.damaged for each in log.records(0, 600)) and not log.records(99, 1)[0].salt
        log.check(0, 600)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), width=st.integers(1, 4096))
def test_whatever_bytes_of_the_database_rot_only_what_was_logged_is_read(
    tmp_path_factory: pytest.TempPathFactory, seed: int, width: int
):
    """A page of the file holds tables, indexes, and all that SQLite goes by; what it refuses is one kind of error."""
    folder = tmp_path_factory.mktemp("rot")
    with closing(filled(folder, 300)) as log:
        right = log.records(0, 300)
    path = folder / "epoch-0.sqlite"
    content = bytearray(path.read_bytes())
    at = random.Random(seed).randrange(4096, len(content) - width)
    with closing(LogReader(folder)) as log:
        content[at : at + width] = random.Random(seed).randbytes(width)
        path.write_bytes(content)
        try:
            found = log.records(0, 300)
            log.chain_heads(), log.indexes_of(STREAM, 0, 300), log.stored(STREAM), log.dead_letters()
        except LogError:
            return
        assert [each.index for each in found] == list(range(300))
        assert all(each.damaged or each == was for each, was in zip(found, right, strict=True))


def test_a_damaged_tile_proves_nothing_and_says_so(tmp_path: Path):
    with closing(filled(tmp_path)):
        pass
    other = "CAST(replace(hashes, substr(hashes, 33, 32), zeroblob(32)) AS BLOB)"
    rot(tmp_path, f"UPDATE tile SET hashes = {other} WHERE level = 0 AND idx = 0")
    with closing(LogReader(tmp_path)) as log:
        assert log.subset_proof([(256, 600)])
        with pytest.raises(LogError, match="stored tree is damaged: it proves nothing of entries 2 to 9"):
            log.subset_proof([(2, 10)])
        assert [each.index for each in log.records(0, 600) if each.damaged] == [1]
    with closing(LogReader(tmp_path)) as log:
        rot(tmp_path, "DELETE FROM tile WHERE level = 0 AND idx = 0")
        with pytest.raises(LogError, match="tile 0/0 is missing"):
            log.subset_proof([(2, 10)])


def test_a_damaged_entry_of_a_key_ends_the_epoch_however_old_it_is(tmp_path: Path):
    log = open_log(tmp_path)
    a_key = Append(KEYS, a_pack(0, b"").data)
    log.append_entries([a_key, *(a_pack(number, b"") for number in range(5000))])
    log.close()
    rot(tmp_path, "UPDATE entry SET data = x'000000' WHERE idx = 0")
    with closing(open_log(tmp_path)) as log:
        assert log.epoch == 1 and "entry 0 is not what was logged" in log.found


def test_retention_goes_on_over_a_damaged_entry(tmp_path: Path):
    with closing(filled(tmp_path)) as log:
        rot(tmp_path, ROT["an entry that is garbage"])
        assert expire(log, {STREAM: RetentionPolicy(max_age_ms=100)}, 400, 2) > 100
        assert log.chain_heads()[chain()].sequence == 599
