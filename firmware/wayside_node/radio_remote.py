"""The configuration that came over the air: tried, kept or rolled back, and the same after every power cut.

A configuration is only written when it is kept: a reboot while one is on trial ends the trial, so none can keep a node
off the air.
"""

import struct
from collections import namedtuple

from wayside_wire import WireError
from wayside_wire import lora_config as wire
from wayside_wire.leb128 import read_unsigned

from .checked import checked
from .copies import Copies

_FORMAT = "<IIB"  # number of the record, version tried last, outcome; then the configuration in force
_SIZE = struct.calcsize(_FORMAT)

Working = namedtuple("Working", ("report_ms", "sign_every", "sf", "channels", "thresholds"))
"""What is in force now. channels: names; thresholds: {channel: mantissa}."""


class _Records(Copies):
    """Their last field is bytes, as many as there are."""

    first = 1

    def packed(self, record) -> bytes:
        return checked(struct.pack(_FORMAT, *record[:3]) + record[3])

    def unpacked(self, data: bytes):
        return struct.unpack(_FORMAT, data[:_SIZE]) + (data[_SIZE:],) if len(data) >= _SIZE else None


class Remote:
    """`working`: what counts now. version, digest: of the configuration kept; tried, outcome: of the last that came."""

    def __init__(self, files, path: str, profile, own):
        """path: of two copies of a record; own: the Working of the node's own file."""
        self._copies = _Records(files, path, _FORMAT)
        self._profile = profile
        self._own = own
        self._kept = b""
        self._trial = b""
        self._left = 0  # frames that may still go unanswered
        self._number = 0
        self.version = 0
        self.tried = 0
        self.outcome = wire.NONE
        self.working = own
        self._load()

    @property
    def digest(self) -> bytes:
        return wire.digest_of(self._kept) if self._kept else b""

    def take(self, payload: bytes) -> None:
        """A configuration that the gateway sent. One that was seen before changes nothing."""
        try:
            config = wire.decode_config(self._profile, payload)
        except WireError:
            config = None
        version = config.version if config else self._version_of(payload)
        if version <= max(self.version, self.tried):
            return
        self._end_trial()
        outcome = wire.TRYING if config else wire.REFUSED
        if not self._store(self._kept, version, outcome) or config is None:
            return
        self._trial = payload
        self._left = config.trial
        self.working = self._merged(config)

    def answered(self) -> None:
        """The gateway was heard: what was on trial is kept, as soon as flash has it."""
        if self._trial and self._store(self._trial, self.tried, wire.KEPT):
            self._kept = self._trial
            self.version = self.tried
            self._trial = b""

    def unanswered(self) -> None:
        """A frame that asked was not answered."""
        if self._trial:
            self._left -= 1
            if self._left <= 0:
                self._end_trial()

    @property
    def on_trial(self) -> bool:
        return bool(self._trial)

    def _end_trial(self) -> None:
        if self._trial:
            self._trial = b""
            self.outcome = wire.ROLLED_BACK  # flash says "trying" still, which means the same after a reboot
            self.working = self._merged_kept()

    def _version_of(self, payload: bytes) -> int:
        """Of a configuration that is not for this node; 0 where not even that can be read."""
        try:
            version, _ = read_unsigned(payload, 0)
        except WireError:
            return 0
        return version if version <= 0xFFFFFFFF else 0

    def _merged_kept(self):
        return self._merged(wire.decode_config(self._profile, self._kept)) if self._kept else self._own

    def _merged(self, config):
        """What the file says, where the configuration is silent."""
        own = self._own
        return Working(
            own.report_ms if config.report_s is None else 1000 * config.report_s,
            config.sign_every or own.sign_every,
            config.sf or own.sf,
            config.channels or own.channels,
            own.thresholds if config.thresholds is None else config.thresholds,
        )

    def _load(self) -> None:
        found = self._copies.load()
        if found is None:
            return
        self._number, self.tried, self.outcome, self._kept = found
        if self.outcome == wire.TRYING:
            self.outcome = wire.ROLLED_BACK
        if not self._kept:
            return
        try:
            self.version = wire.decode_config(self._profile, self._kept).version
            self.working = self._merged_kept()
        except WireError:  # the node has other channels now
            self._kept = b""
            self.outcome = wire.REFUSED

    def _store(self, kept: bytes, tried: int, outcome: int) -> bool:
        """Whether flash has it."""
        number = self._number + 1
        try:
            self._copies.store_in_turn(number, tried, outcome, kept)
        except OSError:
            return False
        self._number = number
        self.tried = tried
        self.outcome = outcome
        return True
