"""One end of a sealed line of a junction, the node's or a master's: it takes what answers what it just said itself.

Each message names the other end's nonce and the number of the last message that was heard from there. So what somebody
stored and sends later does not count, in whatever order and however slowly he sends it: what it answers is too long
ago, or of another start. EN 50159 names the defences: sequence number, time stamp, time-out, feedback
message, source and destination, cryptography.
"""

from . import WireError
from .signal_frames import NONCE_SIZE, seal, unseal

FRESH_MS = 300


class End:
    """`heard_at`: when that was said here which the last message taken answers; None before the first.

    `waiting`: something was heard since this end spoke; `fresh`: the last message that was heard was taken; `stranger`:
    the last one that was sealed right is of another junction, or of another version of this one.
    """

    def __init__(self, key, place: bytes, nonce: bytes, kind):
        """key: mac.Hmac; place: signal_matrix.place(); nonce: drawn at this start; kind: of the messages that come."""
        self._key = key
        self._place = place
        self._nonce = nonce
        self._kind = kind
        self._number = 0  # of what was said last: the own clock, so that it says when
        self._other = bytes(NONCE_SIZE)
        self._other_number = 0
        self.heard_at = None
        self.waiting = False
        self.fresh = False
        self.stranger = False

    def say(self, now_ms: int, kind, *values) -> bytes:
        """The bytes of a message of `kind` with these values behind its head. now_ms: never goes back."""
        self._number = max(self._number + 1, now_ms)
        self.waiting = False
        head = self._place, self._other, self._other_number, self._nonce, self._number
        return seal(kind(*(head + values)), self._key)

    def hear(self, now_ms: int, raw: bytes):
        """The message in `raw`; None for what is forged, of another kind, repeated, out of order or no fresh answer."""
        try:
            message = unseal(raw, self._key)
        except WireError:
            return None
        if not isinstance(message, self._kind):
            return None
        self.stranger = message.place != self._place
        if self.stranger:
            return None
        fresh = message.to == self._nonce and now_ms - FRESH_MS <= message.answers <= self._number
        if message.nonce == self._other:
            newer = message.number > self._other_number
        else:  # the other end began anew; who repeats an earlier start of it does not get in between
            newer = not self.alive(now_ms) or (fresh and message.answers > self.heard_at)
        if not newer:
            return None
        # What is no fresh answer is answered: so two ends meet.
        self._other, self._other_number = message.nonce, message.number
        self.waiting, self.fresh = True, fresh
        if not fresh:
            return None
        self.heard_at = message.answers
        return message

    def alive(self, now_ms: int) -> bool:
        """Whether the other end answered what was said here in the last FRESH_MS."""
        return self.heard_at is not None and now_ms - self.heard_at <= FRESH_MS
