"""Whose signature counts on a device's packs: the keys that the receiver was given, and those that the log registers.

A key that was given pins its device: no other counts for it, whatever the log says. Keys from the log are worth as much
as the log's own signature; they tell which board spoke, not that the gateway is honest.
"""

from collections.abc import Collection, Mapping

from wayside_wire.pack import key_id

from wayside.evidence.ed25519 import PublicKey, public_key

ANY = "*"


class DeviceKeys:
    """Ed25519 keys by device and key id."""

    def __init__(self, given: Mapping[str, Collection[bytes]] | None = None) -> None:
        """Device name, or "*" for all devices, to public keys of 32 bytes. EvidenceError says what is none."""
        self._given = {
            device: {key_id(public): public_key(public) for public in publics}
            for device, publics in (given or {}).items()
        }
        self._registered: dict[str, dict[bytes, PublicKey]] = {}
        self._revoked: dict[tuple[str, bytes], int] = {}  # (log, key id) -> index of the entry
        self._last: dict[tuple[str, bytes], int] = {}  # (log, key id) -> highest index that the key counted for

    def register(self, public: bytes, devices: Collection[str]) -> None:
        """The log says that this key signs for `devices`. EvidenceError when it is none."""
        key = public_key(public)
        for device in devices:
            self._registered.setdefault(device, {})[key_id(public)] = key

    def revoke(self, public: bytes, origin: str, index: int) -> int | None:
        """Entry `index` of the log `origin` ends this key.

        Entries come newest first after an outage. Returned is the highest index that the key counted for here although
        it must not; None when there is none.
        """
        where = (origin, key_id(public))
        self._revoked[where] = min(index, self._revoked.get(where, index))
        last = self._last.get(where, -1)
        return last if last > index else None

    def check(
        self, device: str, place: tuple[str, int], kid: bytes, message: bytes, signature: bytes
    ) -> bool | None:
        """Whether a key of `device` made the signature; None when nothing is known here that could tell.

        place: (origin, index) of the entry: a revoked key counts for the entries before its revocation.
        """
        pinned = device in self._given or ANY in self._given
        table = self._given if pinned else self._registered
        key = table.get(device, {}).get(kid) or table.get(ANY, {}).get(kid)
        if key is None:
            return False if pinned else None
        origin, index = place
        if index > self._revoked.get((origin, kid), index):
            return False
        if not key.verifies(message, signature):
            return False
        self._last[origin, kid] = max(index, self._last.get((origin, kid), index))
        return True
