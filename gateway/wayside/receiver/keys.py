"""The keys that the receiver was given for its devices: a pin. No other key counts for its device, whatever a log says.

A key that was given counts also where the log cannot be asked for it, because the receiver joined after it was
registered. Where the log's keys are known from the first on, they say until when it counts, as for every other key.
"""

from collections.abc import Collection, Mapping

from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import PublicKeys
from wayside.evidence.judge import ANY, EntryJudge
from wayside.evidence.keyring import Registration
from wayside.evidence.kinds import DEVICE_ATTESTED, GATEWAY, NODE
from wayside.evidence.look import PackFacts

REMEMBERED = 4096  # packs of each device and key whose hash is kept to know one that comes again


class DeviceKeys:
    """Ed25519 keys by device; ValueError when one is none."""

    def __init__(self, given: Mapping[str, Collection[bytes]] | None = None) -> None:
        """Device name, or "*" for all devices, to public keys of 32 bytes."""
        self._given = {name: {key_id(public): public for public in publics} for name, publics in (given or {}).items()}
        self.publics()

    @property
    def pins(self) -> dict[str, Collection[bytes]]:
        """Key ids by device, as a judge takes them."""
        return {device: frozenset(publics) for device, publics in self._given.items()}

    def publics(self) -> PublicKeys:
        """All of them, to begin a collection with."""
        keys = PublicKeys()
        for publics in self._given.values():
            for public in publics.values():
                keys.add(public)
        return keys

    def public(self, device: str, kid: bytes) -> bytes | None:
        """The key with this id, if it was given for the device."""
        return self._given.get(device, self._given.get(ANY, {})).get(kid)


class PinnedJudge(EntryJudge):
    """The judge, with one word more: `keys_whole`, whether it has all that the log said of keys so far."""

    def __init__(self, given: DeviceKeys) -> None:
        super().__init__(given.pins, REMEMBERED)
        self.keys_whole = True
        self._keys_given = given

    def allowed(self, index: int, device: str, attested: str, facts: PackFacts) -> Registration:
        public = self._keys_given.public(device, facts.kid)
        if public is None or self.keys_whole or self.keyring.get(facts.kid, index) is not None:
            return super().allowed(index, device, attested, facts)
        if facts.device != device:
            raise EvidenceError(f"is a pack of {facts.device}")
        role = NODE if attested == DEVICE_ATTESTED else GATEWAY
        return Registration(public, role, frozenset([device]), "", 0, index)

    def cannot_say(self, index: int, device: str, kid: bytes) -> bool:
        """Whether the entries that are here do not name the key for this device, and others may."""
        if self.keys_whole or self._keys_given.public(device, kid) is not None:
            return False
        key = self.keyring.get(kid, index)
        return key is None or (key.until is None and device not in key.devices)

    def may_have_ended(self, device: str, kid: bytes) -> bool:
        """Whether entries that are not here may say that the key had ended."""
        return not self.keys_whole and self._keys_given.public(device, kid) is None
