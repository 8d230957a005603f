"""What is kept of the cosignatures: the newest checkpoint for each number of them, whatever order they come in."""

from pathlib import Path

import pytest
from evidence.site_log import ORIGIN, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.kinds import ClockBody
from wayside.evidence.note import COSIGNATURE, Note, NoteKey, cosign, parse_checkpoint, parse_note
from wayside.evidence.stream import GATEWAY
from wayside.log import keep_cosigned, read_cosigned
from wayside.trust.keys import SoftwareKey

KEYS = [SoftwareKey(bytes([number]) * 32) for number in range(3)]
WITNESSES = [NoteKey(f"w.example/{number}", COSIGNATURE, key.public) for number, key in enumerate(KEYS)]
LOG = SiteLog()
for number in range(5):
    LOG.add(GATEWAY, ClockBody(number))


def cosigned(size: int, by: set[int]) -> Note:
    note = parse_note(LOG.checkpoint_at(size))
    return note.with_signatures(cosign(note, WITNESSES[each], KEYS[each].sign, 1) for each in sorted(by))


def kept(folder: Path, count: int) -> tuple[int, set[str]]:
    """(size, who co-signed) of what is kept for so many cosignatures."""
    data = read_cosigned(folder, count)
    if not data:
        return 0, set()
    note = parse_note(data)
    return parse_checkpoint(note).size, {each.name for each in note.signatures[1:]}


@given(st.lists(st.tuples(st.integers(1, 5), st.sets(st.integers(0, 2))), max_size=12))
def test_the_newest_is_kept_for_each_number(
    tmp_path_factory: pytest.TempPathFactory, given: list[tuple[int, set[int]]]
):
    folder = tmp_path_factory.mktemp("log")
    (folder / "epoch-0.signed").write_bytes(b"")
    best = [0] * 4
    for size, by in given:
        known = keep_cosigned(folder, cosigned(size, by))
        assert known >= len(by)
        for count in range(1, known + 1):
            best[count] = max(best[count], size)
        for count in range(1, 4):
            size_kept, names = kept(folder, count)
            assert size_kept == best[count] and (len(names) >= count or not size_kept)


def test_cosignatures_of_one_checkpoint_come_together(tmp_path: Path):
    (tmp_path / "epoch-0.signed").write_bytes(b"")
    assert keep_cosigned(tmp_path, cosigned(3, {0})) == 1
    assert keep_cosigned(tmp_path, cosigned(3, {2})) == 2
    assert keep_cosigned(tmp_path, cosigned(3, set())) == 2
    assert kept(tmp_path, 2) == kept(tmp_path, 1) == (3, {"w.example/0", "w.example/2"})
    assert keep_cosigned(tmp_path, cosigned(5, {1})) == 1, "one witness goes on alone"
    assert (kept(tmp_path, 1)[0], kept(tmp_path, 2)[0], kept(tmp_path, 3)[0]) == (5, 3, 0)
    assert keep_cosigned(tmp_path, cosigned(4, {1})) == 1
    assert kept(tmp_path, 1)[0] == 5, "an older one came late"


@pytest.mark.parametrize("spoiled", [b"", b"junk", bytes(500), LOG.checkpoint_at(2)[:-9], b"\xff" * 99])
def test_a_spoiled_file_is_replaced(spoiled: bytes, tmp_path: Path):
    (tmp_path / "epoch-0.signed").write_bytes(b"")
    (tmp_path / "epoch-0.cosigned-1").write_bytes(spoiled)
    assert read_cosigned(tmp_path) == b""
    keep_cosigned(tmp_path, cosigned(1, {0}))
    assert kept(tmp_path, 1) == (1, {"w.example/0"}) and ORIGIN.endswith("/0")
