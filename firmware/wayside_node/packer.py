"""From a device's readings to signed packs in its journal, each in its place in the chain."""

from wayside_wire import pack


class Packer:
    """The chain of one device in this boot. A pack once made stays the next one until it is stored."""

    def __init__(self, device: str, boot: int, journal, identity, clock):
        self.device = device
        self._boot = boot
        self._journal = journal
        self._identity = identity
        self._clock = clock
        self._sequence = 0
        self._parts = []
        self._raw = b""

    @property
    def busy(self) -> bool:
        """Whether a report is not stored yet."""
        return bool(self._parts)

    def take(self, readings) -> None:
        """A report, its times in the clock's now(). Only when not busy."""
        clock = self._clock
        self._parts = pack.split(self.device, readings, clock.stamp(0))
        self._quality = clock.quality()

    def sign(self) -> None:
        """Make the next pack, if it is not made yet: the slow part, done before the flash is waited for. OSError when
        its journal cannot be opened."""
        if self._raw:
            return
        self._journal.open()
        place = pack.PackHeader(self._boot, self._sequence, self._quality, self._journal.head.hash)
        self._raw = pack.sign_payload(place, self._parts[0][0], self._identity.kid, self._identity.sign)

    def store(self) -> None:
        """Put the signed pack into the journal. After an OSError call it again later: the same bytes go there."""
        self._journal.append_pack(self._boot, self._sequence, self._raw)
        self._sequence += 1
        self._raw = b""
        self._parts.pop(0)
