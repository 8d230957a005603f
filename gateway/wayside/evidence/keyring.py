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
from wayside.evidence.kinds import DEVICE_ATTESTED, GATEWAY, LOG, NODE, OPERATOR, REGISTERED, REVOKED, Key

__all__ = ["GATEWAY", "LOG", "NODE", "OPERATOR", "REGISTERED", "REVOKED", "Keyring", "Registration"]

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


class Keyring:
    """The keys that a log's entries name. Feed it each key entry once, in whatever order."""

    def __init__(self) -> None:
        self._told: dict[bytes, list[tuple[int, Key]]] = {}
        self._publics = PublicKeys()
        self._found: dict[tuple[bytes, int], Registration] = {}  # by key id and how many entries tell of it

    def take(self, index: int, key: Key) -> None:
        """Take in the key entry at `index`; EvidenceError when the log must not say that."""
        kid: bytes = key_id(key.public)
        told = self._told.get(kid, [])
        for at, each in told:
            if each.public != key.public:
                raise EvidenceError(f"key {kid.hex()} is another key than the one that has this id already")
            if each.event == REVOKED and key.event == REGISTERED and at < index:
                raise EvidenceError(f"key {kid.hex()} is registered again after it was revoked")
            if each.event == key.event == REGISTERED and each.role != key.role:
                raise EvidenceError(f"key {kid.hex()} is registered as {key.role}, but it is the key of a {each.role}")
        if key.event == REGISTERED:
            try:
                self._publics.add(key.public)
            except EvidenceError as error:
                raise EvidenceError(f"key {kid.hex()}: {error}") from None
        insort(self._told.setdefault(kid, told), (index, key), key=lambda each: each[0])
        for count in range(1, len(told) + 1):
            self._found.pop((kid, count), None)

    def __iter__(self) -> Iterator[Registration]:
        """Every key that was ever named, as it is now, in the order of their first entries."""
        order = sorted(self._told, key=lambda kid: self._told[kid][0][0])
        return (found for found in map(self.get, order) if found)

    def get(self, kid: bytes, index: int = NOW) -> Registration | None:
        """The key as the entries before `index` tell of it; None when none of them does."""
        told = self._told.get(kid, [])
        count = bisect_left(told, index, key=lambda each: each[0])
        if not count:
            return None
        if (kid, count) not in self._found:
            self._found[kid, count] = _registration(told[:count])
        return self._found[kid, count]

    def held_by(self, holder: str, role: str = NODE) -> Registration | None:
        """The key of a node, or of somebody in another role, that counts now."""
        found = [each for each in self if each.role == role and each.holder == holder and each.until is None]
        return found[-1] if found else None

    def verify(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the key made the signature, revoked or not; WireError when the log never registered it."""
        return self._publics.verify(kid, message, signature)

    def told_at(self, kid: bytes) -> list[int]:
        """The indexes of the entries that tell of a key."""
        return [index for index, _ in self._told.get(kid, [])]

    def certificates(self, kid: bytes) -> list[tuple[int, bytes]]:
        """Every certificate that the log ever named for a key, with the index of the first entry that did."""
        found: dict[bytes, int] = {}
        for index, key in self._told.get(kid, []):
            for raw in key.certificates:
                found.setdefault(raw, index)
        return [(index, raw) for raw, index in found.items()]

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


def _registration(told: list[tuple[int, Key]]) -> Registration:
    """What these entries, in order, say of one key."""
    since = told[0][0]
    registered = [key for _, key in told if key.event == REGISTERED]
    ended = next(((at, key.reason) for at, key in told if key.event == REVOKED), None)
    until, reason = ended or (None, "")
    if not registered:
        # A key that was never registered may be revoked: nobody shall register it later.
        key = told[0][1]
        return Registration(key.public, key.role, frozenset(), key.holder, 0, since, until=until, reason=reason)
    key = registered[-1]
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
        until,
        reason,
    )
