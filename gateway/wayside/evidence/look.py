"""What can be found out about each entry by itself: form, the pack inside, its signature. The slow part of judging.

It needs no order, so a large bundle is looked at by several processes; what depends on order (who was registered when,
what is missing) is judged afterwards, on the small results.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import islice
from multiprocessing import get_context
from typing import NamedTuple

from wayside_wire import pack

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import PublicKeys
from wayside.evidence.entry import KEY_ENTRY, Entry, decode_entry
from wayside.evidence.kinds import KeyBody, PackBody

_CHUNK = 2000
_WORTH_PROCESSES = 10 * _CHUNK  # below, starting them takes longer than it saves


class PackFacts(NamedTuple):
    """A pack whose signature verifies with the key it names. `device`: as the pack itself says."""

    kid: bytes
    device: str
    boot: int
    sequence: int
    time_quality: int
    hash: bytes
    previous: bytes
    readings: int
    bad: int


class Look(NamedTuple):
    """One entry: decoded (a pack without its bytes), or why it is out of form; `pack`: facts, or why it fails."""

    entry: Entry | str
    pack: PackFacts | str | None


def key_entries(raws: Iterable[bytes], most: int | None = None) -> Iterator[KeyBody]:
    """The key entries among `raws`, `most` at the most, proven or not: to name a key makes nobody believe it."""
    for raw in islice((each for each in raws if each.startswith(KEY_ENTRY)), most):
        try:
            body = decode_entry(raw).body
        except EvidenceError:
            continue
        if isinstance(body, KeyBody):
            yield body


def publics_of(raws: Iterable[bytes]) -> set[bytes]:
    """Every public key that key entries name."""
    return {key.public for key in key_entries(raws)}


def look_at(raws: Sequence[bytes], publics: Iterable[bytes], processes: int = 1) -> Iterator[Look]:
    """A Look for each encoded entry, in order."""
    chunks = [raws[start : start + _CHUNK] for start in range(0, len(raws), _CHUNK)]
    if processes < 2 or len(raws) < _WORTH_PROCESSES:
        keys = _keys(publics)
        for chunk in chunks:
            yield from _look_at_chunk(chunk, keys)
        return
    # Spawned, not forked: a fork of a process with threads may hang.
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (list(publics),)) as pool:
        for found in pool.map(_look_in_process, chunks):
            yield from found


def _keys(publics: Iterable[bytes]) -> PublicKeys:
    keys = PublicKeys()
    for public in publics:
        with suppress(EvidenceError):  # an entry may name what is no key; nothing is signed by it
            keys.add(public)
    return keys


_known = PublicKeys()


def _start(publics: Iterable[bytes]) -> None:
    global _known
    _known = _keys(publics)


def _look_in_process(chunk: Sequence[bytes]) -> list[Look]:
    return _look_at_chunk(chunk, _known)


def _look_at_chunk(chunk: Sequence[bytes], keys: PublicKeys) -> list[Look]:
    def look(raw: bytes) -> Look:
        try:
            entry = decode_entry(raw)
        except EvidenceError as error:
            return Look(str(error), None)
        body = entry.body
        if not isinstance(body, PackBody):
            return Look(entry, None)
        bare = PackBody(body.attested, b"")  # what goes from process to process is small
        without = Entry(entry.kind, entry.logged_at_ms, entry.time_quality, bare, entry.stream, entry.number)
        try:
            return Look(without, facts_of(body.raw, *pack.open_pack(body.raw, keys.verify)))
        except (ValueError, LookupError, TypeError) as error:  # a WireError is a ValueError
            return Look(without, str(error) or type(error).__name__)

    return [look(raw) for raw in chunk]


def facts_of(raw: bytes, opened: pack.Pack, kid: bytes) -> PackFacts:
    """What the judge has to know of an opened pack."""
    bad = sum(reading.quality == pack.BAD for reading in opened.readings)
    return PackFacts(
        kid,
        opened.device,
        opened.boot,
        opened.sequence,
        opened.time_quality,
        pack.pack_hash(raw),
        opened.previous,
        len(opened.readings),
        bad,
    )
