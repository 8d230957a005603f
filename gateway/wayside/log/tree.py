"""The log's tree over stored tiles (C2SP tlog-tiles: 256 hashes a tile, one level of tiles per eight of the tree).

Full tiles are in the store; of each level only the hashes after its last full tile are held in memory, so a commit
writes no tile twice and the tree takes some kilobytes whatever its size.
"""

from functools import lru_cache

from wayside.evidence import EvidenceError
from wayside.evidence.merkle import Frontier, frontier_hashes, node_hash

from .store import LogStore

WIDTH = 256
_HEIGHT = 8
_HASH = 32


class Tree:
    """`append` grows it in memory; `full` collects the tiles that are to be stored with the entries."""

    def __init__(self, store: LogStore, size: int, leaves: list[bytes]):
        """`leaves`: leaf hashes of the entries after the last full tile of level 0."""
        self._stored = lru_cache(maxsize=256)(store.tile)
        self._size = size
        self.full: list[tuple[int, int, bytes, bytes]] = []
        self._partial = [leaves]
        count = size >> _HEIGHT
        while count:
            level = len(self._partial)
            self._partial.append(store.tile_roots(level - 1, count & ~(WIDTH - 1))[: count & (WIDTH - 1)])
            count >>= _HEIGHT
        self._frontier = Frontier(size, frontier_hashes(size, self.perfect))

    @property
    def size(self) -> int:
        return self._size

    def root(self) -> bytes:
        return self._frontier.root()

    def copy(self) -> "Tree":
        """A tree that grows on its own; what is stored is shared."""
        other = object.__new__(Tree)
        other._stored = self._stored
        other._size = self._size
        other.full = []
        other._partial = [list(row) for row in self._partial]
        other._frontier = Frontier(self._size, self._frontier.hashes)
        return other

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        tile = self._size >> _HEIGHT
        self._size += 1
        self._frontier.append(leaf)
        node = leaf
        for level, row in enumerate(self._partial):
            row.append(node)
            if len(row) < WIDTH:
                return
            node = _reduce(row)
            self.full.append((level, tile, b"".join(row), node))
            row.clear()
            tile >>= _HEIGHT
        self._partial.append([node])

    def perfect(self, level: int, index: int) -> bytes:
        """The hash of the full subtree of 2**level leaves at `index`; see evidence.merkle."""
        row = level // _HEIGHT
        span = 1 << level % _HEIGHT
        first = index * span
        tile, at = divmod(first, WIDTH)
        held = self._partial[row] if row < len(self._partial) else []
        if tile == self._tiles(row):
            return _reduce(held[at : at + span])
        stored = self._stored(row, tile)
        if stored is None:
            raise EvidenceError(f"tile {row}/{tile} is missing")
        return _reduce([stored[i * _HASH : (i + 1) * _HASH] for i in range(at, at + span)])

    def _tiles(self, row: int) -> int:
        """How many full tiles the row has."""
        return self._size >> _HEIGHT * (row + 1)


def _reduce(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]
