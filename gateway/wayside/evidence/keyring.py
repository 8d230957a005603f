"""Whose signature counts from which entry of a log to which: what the log's key entries say.

Log position decides, no clock does: a pack counts when its key was registered by an entry before it and revoked by none
before it, for its device and in its role, as the last of the entries before it says. Every question names a position,
so the answer is the same in whatever order the entries came. The verifier, a receiver, settlement and the running
gateway ask here.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import PublicKeys
from wayside.evidence.kinds import DEVICE_ATTESTED, GATEWAY, NODE, REGISTERED, KeyBody

NOW = 2**63
"""A position behind every entry."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A key as the log tells of it at some position. `since`, `until`: indexes of its first entry and of its end."""

    public: bytes
    role: str
    devices: frozenset[str]
    holder: str
    assurance: int
    since: int
    certificates: tuple[bytes, ...] = ()
    proof: bytes = b""
    profiles: tuple[tuple[str, str], ...] = ()
    until: int | None = None
    reason: str = ""

    @property
    def kid(self) -> bytes:
        kid: bytes = key_id(self.public)
        return kid


class _Told:
    """What the entries say of one key, by their indexes; asked and added to without going through all of them."""

    def __init__(self, public: bytes) -> None:
        self.public = public
        self.all: list[tuple[int, KeyBody]] = []
        self.registered: list[tuple[int, KeyBody]] = []
        self.revoked: list[tuple[int, KeyBody]] = []

    def add(self, index: int, key: KeyBody) -> None:
        insort(self.all, (index, key), key=_index_of)
        insort(self.registered if key.event == REGISTERED else self.revoked, (index, key), key=_index_of)

    def before(self, index: int) -> Registration:
        """By the entries before `index`, of which there is one at least."""
        since, first = self.all[0]
        count = bisect_left(self.registered, index, key=_index_of)
        ended, by = self.revoked[0] if self.revoked and self.revoked[0][0] < index else (None, None)
        reason = by.reason if by else ""
        if not count:
            # A key that was never registered may be revoked: nobody shall register it later.
            nobody: frozenset[str] = frozenset()
            return Registration(first.public, first.role, nobody, first.holder, 0, since, until=ended, reason=reason)
        key = self.registered[count - 1][1]
        return Registration(
            key.public,
            key.role,
            frozenset(key.devices),
            key.holder,
            key.assurance,
            since,
            key.certificates,
            key.proof,
            tuple(sorted((key.profiles or {}).items())),
            ended,
            reason,
        )


def _index_of(told: tuple[int, KeyBody]) -> int:
    return told[0]


class Keyring:
    """The keys that a log's entries name. Feed it each key entry once, in whatever order."""

    def __init__(self) -> None:
        self._told: dict[bytes, _Told] = {}
        self._publics = PublicKeys()
        self._found: dict[tuple[bytes, int], Registration] = {}  # by key id and how many entries tell of it

    def take(self, index: int, key: KeyBody) -> None:
        """Take in the key entry at `index`; EvidenceError when the log must not say that."""
        kid: bytes = key_id(key.public)
        told = self._told.get(kid) or _Told(key.public)
        if told.public != key.public:
            raise EvidenceError(f"key {kid.hex()} is another key than the one that has this id already")
        if key.event == REGISTERED:
            if told.registered and (role := told.registered[0][1].role) != key.role:
                raise EvidenceError(f"key {kid.hex()} is registered as {key.role}, but it is the key of a {role}")
            if told.revoked and told.revoked[0][0] < index:
                raise EvidenceError(f"key {kid.hex()} is registered again after it was revoked")
            try:
                self._publics.add(key.public)
            except EvidenceError as error:
                raise EvidenceError(f"key {kid.hex()}: {error}") from None
        self._told[kid] = told
        told.add(index, key)
        for count in range(bisect_left(told.all, index, key=_index_of) + 1, len(told.all) + 1):
            self._found.pop((kid, count), None)

    def __iter__(self) -> Iterator[Registration]:
        """Every key that was ever named, as it is now, in the order of their first entries."""
        order = sorted(self._told, key=lambda kid: self._told[kid].all[0][0])
        return (found for found in map(self.get, order) if found)

    def get(self, kid: bytes, index: int = NOW) -> Registration | None:
        """The key as the entries before `index` tell of it; None when none of them does."""
        told = self._told.get(kid)
        count = bisect_left(told.all, index, key=_index_of) if told else 0
        if told is None or not count:
            return None
        if (kid, count) not in self._found:
            self._found[kid, count] = told.before(index)
        return self._found[kid, count]

    def held_by(self, holder: str, role: str = NODE) -> Registration | None:
        """The key of a node, or of somebody in another role, that counts now."""
        found = [each for each in self if each.role == role and each.holder == holder and each.until is None]
        return found[-1] if found else None

    def verify(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the key made the signature, revoked or not; WireError when the log never registered it."""
        return self._publics.verify(kid, message, signature)

    def ever_for(self, device: str) -> set[bytes]:
        """The ids of all keys that were ever registered for a device."""
        return {kid for kid, told in self._told.items() if any(device in key.devices for _, key in told.registered)}

    def told_at(self, kid: bytes) -> list[int]:
        """The indexes of the entries that tell of a key."""
        return [index for index, _ in self._all(kid)]

    def certificates(self, kid: bytes) -> list[tuple[int, bytes]]:
        """Every certificate that the log ever named for a key, with the index of the first entry that did."""
        found: dict[bytes, int] = {}
        for index, key in self._all(kid):
            for raw in key.certificates:
                found.setdefault(raw, index)
        return [(index, raw) for raw, index in found.items()]

    def _all(self, kid: bytes) -> list[tuple[int, KeyBody]]:
        told = self._told.get(kid)
        return told.all if told else []

    def check(self, kid: bytes, device: str, attested: str, index: int = NOW) -> Registration:
        """The key that may sign for `device` in an entry at `index`; EvidenceError says why it may not."""
        key = self.get(kid, index)
        if key is None:
            raise EvidenceError(f"key {kid.hex()} is not registered in the entries before it")
        if key.until is not None:
            why = f" ({key.reason})" if key.reason else ""
            raise EvidenceError(f"key {kid.hex()} was revoked by entry {key.until}{why}")
        if device not in key.devices:
            raise EvidenceError(f"key {kid.hex()} is not registered for {device}")
        if key.role != (NODE if attested == DEVICE_ATTESTED else GATEWAY):
            raise EvidenceError(f"called {attested}-attested, but signed by the key of a {key.role}")
        return key
