"""Whose signature counts from which entry of a log to which: what the log's key entries say.

Log position decides, no clock does: a pack counts when its key was registered by an entry before it and revoked by
none before it. The verifier, a receiver and the running gateway read the entries with the same code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import PublicKeys
from wayside.evidence.entry import DEVICE_ATTESTED

REGISTERED, REVOKED = "registered", "revoked"
GATEWAY, NODE, LOG, OPERATOR = "gateway", "node", "log", "operator"


@dataclass(slots=True)
class Registration:
    """A key as the log tells of it. `since`, `until`: indexes of entries; `holder`: the node's or operator's name."""

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
    """The keys that a log's entries name so far. Feed it the key entries in the order of their indexes."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Registration] = {}
        self._publics = PublicKeys()

    def take(self, index: int, body: dict[Any, Any]) -> None:
        """Take in the body of a key entry; EvidenceError when the log must not say that."""
        public, role, devices, event = body[0], body[1], body[2], body[3]
        kid: bytes = key_id(public)
        known = self._keys.get(kid)
        if event == REVOKED:
            # A key that was never registered may be revoked: nobody shall register it later.
            known = self._keys.setdefault(kid, Registration(public, role, frozenset(), body.get(5, ""), 0, index))
            if known.until is None:
                known.until, known.reason = index, body.get(6, "")
            return
        if event != REGISTERED:
            raise EvidenceError(f"key {kid.hex()}: unknown event {event!r}")
        if known and known.until is not None:
            raise EvidenceError(f"key {kid.hex()} is registered again after it was revoked")
        try:
            self._publics.add(public)
        except EvidenceError as error:
            raise EvidenceError(f"key {kid.hex()}: {error}") from None
        self._keys[kid] = Registration(
            public,
            role,
            frozenset(devices),
            body.get(5, ""),
            body.get(4, 0),
            known.since if known else index,
            tuple(body.get(8, ())),
            body.get(7, b""),
            tuple(sorted(body.get(9, {}).items())),
        )

    def __iter__(self) -> Iterator[Registration]:
        """Every key that was ever named, in the order of their first entries."""
        return iter(self._keys.values())

    def get(self, kid: bytes) -> Registration | None:
        return self._keys.get(kid)

    def held_by(self, holder: str, role: str = NODE) -> Registration | None:
        """The key of a node, or of somebody in another role, that counts now."""
        found = [each for each in self if each.role == role and each.holder == holder and each.until is None]
        return found[-1] if found else None

    def verify(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the key made the signature, revoked or not; WireError when the log never registered it."""
        return self._publics.verify(kid, message, signature)

    def check(self, kid: bytes, device: str, attested: str) -> Registration:
        """The key that may sign for `device` now; EvidenceError says why it may not."""
        key = self._keys.get(kid)
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
