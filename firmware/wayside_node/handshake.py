"""The node's sessions with its gateway: when to say hello, whom to believe, which seals count.

Whoever can put bytes on the line can put any number of welcomes, hints and seals there. None of them ends a session
that stands: another one takes its place only when the gateway has sealed a message under it. Decision 0014.
"""

from micropython import const
from wayside_wire import WireError

_HELLO_MS = const(1000)
_LAST_HELLO_MS = const(30000)
_AGAIN_MS = const(10000)  # between two handshakes while a session stands
_FORGED_MS = const(1000)  # after a forged welcome until the next one is looked at


class Handshake:
    """`session` is the one that stands, None before the first; `sessions` counts them."""

    def __init__(self, end, clock, jitter, line_ms: int):
        """end: a session.NodeEnd; jitter(limit): a random integer from 0 to below limit.

        line_ms: what the messages of a handshake take on the line.
        """
        self._end = end
        self._clock = clock
        self._jitter = jitter
        self._hello_ms = _HELLO_MS + line_ms
        self.session = None
        self.sessions = 0
        self.forged = 0  # welcomes that the gateway did not make
        self.confirmed_at = 0  # when the confirmation of `session` was made
        self._next = None  # the session that we have confirmed; it stands when the gateway seals under it
        self._next_at = 0
        self._under_way = True
        self._began_at = clock.now()
        self._hello_at = clock.now()
        self._said_at = None
        self._wait_ms = _HELLO_MS
        self._welcome = None  # the one to look at, of `_seen` since the last look
        self._seen = 0
        self._look_at = clock.now()

    def begin(self) -> None:
        """Agree on another session; at once where none stands, else not more often than every ten seconds."""
        now = self._clock.now()
        if self._under_way:
            if self._said_at is None or now - self._said_at >= _HELLO_MS:
                self._hello_at = now
                self._wait_ms = _HELLO_MS
        elif now - self._began_at >= _AGAIN_MS:
            self._under_way = True
            self._began_at = self._hello_at = now
            self._wait_ms = _HELLO_MS

    def due(self):
        """The link.Hello to say now, None when it is not time."""
        now = self._clock.now()
        if not self._under_way or now < self._hello_at:
            return None
        self._said_at = now
        self._hello_at = now + self._hello_ms + self._jitter(self._wait_ms)
        self._wait_ms = min(2 * self._wait_ms, _LAST_HELLO_MS)
        return self._end.hello()

    def hear(self, welcome) -> None:
        """A link.Welcome has come; one of those that came since the last look is kept, each as likely as any other."""
        if self._under_way and self._end.is_asked(welcome):
            self._seen += 1
            if self._jitter(self._seen) == 0:
                self._welcome = welcome

    def is_ready(self) -> bool:
        """Whether agree() has something to do."""
        return self._welcome is not None and self._clock.now() >= self._look_at

    def agree(self):
        """The link.Confirm to the welcome that was kept, None when the gateway did not make it.

        Takes as long as four signatures: not while a bus transaction is open.
        """
        welcome = self._welcome
        self._welcome = None
        self._seen = 0
        try:
            confirm, session = self._end.answer(welcome)
        except WireError:
            self.forged += 1
            self._look_at = self._clock.now() + _FORGED_MS
            self._hello_at = self._clock.now()  # the right one is asked for while the next is waited for
            return None
        self._next = session
        self._next_at = self._clock.now()
        return confirm

    def open(self, sealed):
        """The message in a link.Sealed by the gateway; WireError for anything else."""
        if self._next is not None and sealed.session == self._next.id:
            message = self._next.open(sealed)
            self.session = self._next
            self.sessions += 1
            self.confirmed_at = self._next_at
            self._next = None
            self._under_way = False
            self._welcome = None
            self._seen = 0
            return message
        if self.session is None:
            raise WireError("link: no session stands")
        return self.session.open(sealed)
