"""Tiles and entry bundles as C2SP tlog-tiles describes them: a client rebuilds the tree from the paths alone."""

import pytest
from wayside.evidence import merkle
from wayside.evidence.note import ED25519, NoteKey, open_checkpoint
from wayside.log import Log
from wayside.log.tiles import resource, tile_path

from .crash import KEY, SITE, an_entry, open_log

SIZE = 70_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory):
    log = open_log(tmp_path_factory.mktemp("tiles"))
    for first in range(0, SIZE, 10_000):
        log.append_entries([an_entry(first + i) for i in range(10_000)])
    yield log
    log.close()


def hashes(log: Log, path: str) -> list[bytes]:
    content = resource(log, path)
    assert content
    return [content[at : at + 32] for at in range(0, len(content), 32)]


def test_the_paths_are_those_of_the_specification():
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 17) == "tile/1/000.p/17"
    assert tile_path("entries", 5) == "tile/entries/005"


def test_a_client_rebuilds_the_root_from_tiles(log: Log):
    """The sizes are the specification's own example: 273 full tiles, then widths 112, 17 and 1."""
    checkpoint, _ = open_checkpoint(resource(log, "checkpoint") or b"", NoteKey(f"{SITE}/log/0", ED25519, KEY.public))
    assert checkpoint.size == SIZE
    leaves = [each for number in range(273) for each in hashes(log, tile_path(0, number))]
    leaves += hashes(log, tile_path(0, 273, 112))
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.root() == checkpoint.root
    roots = hashes(log, tile_path(1, 0)) + hashes(log, tile_path(1, 1, 17))
    for number, root in enumerate(roots):
        assert root == merkle.subtree_hash(number * 256, number * 256 + 256, log.subtree)
    (top,) = hashes(log, tile_path(2, 0, 1))
    assert top == merkle.root_hash(65536, log.subtree)


def test_entry_bundles_hash_to_the_leaves(log: Log):
    content = resource(log, "tile/entries/273.p/112")
    assert content and len(content) == 112 * 34
    leaves = [merkle.leaf_hash(content[at + 2 : at + 34]) for at in range(0, len(content), 34)]
    assert leaves == hashes(log, "tile/0/273.p/112")
    assert all(content[at : at + 2] == b"\x00\x20" for at in range(0, len(content), 34))


@pytest.mark.parametrize(
    "path",
    [
        "", "/checkpoint", "checkpoint/", "tile", "tile/0", "tile/0/", "tile/00/000", "tile/0/273", "tile/0/274",
        "tile/0/x000/001", "tile/0/1", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/273.p/113",
        "tile/3/000.p/1", "tile/63/000.p/1", "tile/64/000", "tile/-1/000", "tile/0/../../checkpoint",
        "tile/entries/274",         "tile/0/" + "x999/" * 50 + "999", "tile/0/٠٠٠",
    ],
)  # fmt: skip
def test_there_is_nothing_at_other_paths(log: Log, path: str):
    assert resource(log, path) is None
