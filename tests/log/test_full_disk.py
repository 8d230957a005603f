"""A disk that is really full: SQLite refuses the page, nothing counts, and all is well once there is room."""

from pathlib import Path

import pytest
from wayside.log import Append, Log, LogError
from wayside.trust.keys import SoftwareKey

from .made import a_pack, chain

KEY = SoftwareKey(bytes(range(32)))


def entries(first: int, count: int) -> list[Append]:
    return [a_pack(i, bytes(500)) for i in range(first, first + count)]


def test_a_full_database_acknowledges_nothing_and_goes_on_when_there_is_room(tmp_path: Path):
    log = Log(tmp_path, "test.example", KEY.public, KEY.sign, lambda: (0, 2))
    log.append_entries(entries(0, 100))
    database = log._store._db
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 2}")
    before = (log.size, log.root, log.checkpoint)
    for _ in range(3):
        with pytest.raises(LogError, match="full; nothing of it was acknowledged"):
            log.append_entries(entries(100, 200))
    assert (log.size, log.root, log.checkpoint) == before
    assert log.find_pack(chain(), 1, 100) is None and log.chain_heads()[chain()].sequence == 99
    database.execute("PRAGMA max_page_count = 1073741823")
    assert log.append_entries(entries(100, 200)) == 300
    log.check(0, 300)
    log.close()
    log = Log(tmp_path, "test.example", KEY.public, KEY.sign, lambda: (0, 2))
    assert (log.size, log.found) == (300, "")
    log.close()
