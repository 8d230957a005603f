"""How a far side (a broker, a server) says no, for whoever sends to it: again, seldom, or never. Imports nothing."""

from collections.abc import Mapping


class FarSideError(Exception):
    """What was sent was not taken. The text says why, for people."""


class Unreachable(FarSideError):
    """The far side did not answer, or the connection broke: the same batch again, later."""


class FarSideRefused(Unreachable):
    """The far side answered and said no (credentials, protocol, a quota): ask again, but seldom."""


class Denied(FarSideRefused):
    """The far side said no to an entry or a topic, and took nothing after it: nobody knows yet whether to it alone."""


class Rejected(FarSideError):
    """The far side will never take this batch: a single entry becomes a dead letter with this reason.

    Of a single entry only what takes another one now may say so: what refuses everything has a wrong setting.
    `entries`: where it is known, the entries that it will never take and why; then it has taken all others.
    """

    def __init__(self, text: str, entries: Mapping[int, str] = {}):
        super().__init__(text)
        self.entries = entries
