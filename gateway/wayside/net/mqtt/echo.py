"""What an acknowledgement without a reason code is worth: whether what we publish on a topic comes back to us.

Under MQTT 3.1.1 a broker acknowledges a message also when it throws it away, because its access list denies the topic
or because the message is too large (section 3.3.5: it has no way of informing the client). No connection here.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from wayside.net.far_side import Unreachable

ECHO_S = 5.0
"""How long an echo may take, beside the time that the message took to the broker."""

_EVERY_S = 600.0  # a topic on which nothing comes back is listened to again: access lists change

_CUTS = 2  # that end the connection instead of an answer to SUBSCRIBE: some brokers say no that way


class CannotListen(Unreachable):
    """The connection ended while the topic was being subscribed to."""


class Echoes:
    """Our own messages on their way back, in one connection. What else comes on their topics is nobody's."""

    def __init__(self, largest: int):
        """`largest`: bytes of topic and payload beyond which a message that comes is not read."""
        self._largest = largest
        self._sent: dict[str, list[tuple[bytes, asyncio.Future[None]]]] = {}

    @contextmanager
    def listen(self, topic: str, payload: bytes) -> "Iterator[asyncio.Future[None]]":
        """The future is done when the message has come back."""
        came: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent = payload, came
        self._sent.setdefault(topic, []).append(sent)
        try:
            yield came
        finally:
            self._sent[topic].remove(sent)

    def take(self, topic: str, payload: bytes | None) -> bool:
        """Whether a message that came is for nobody else. payload: None when it was too large to be read."""
        for sent, came in self._sent.get(topic, ()):
            is_unread = payload is None and len(sent) + len(topic) > self._largest
            if not came.done() and (payload == sent or is_unread):
                came.set_result(None)
                break
        return topic in self._sent


class HeardEcho:
    """What is known of each topic of one sink. `size` is a payload's, in bytes."""

    def __init__(self, clock: Callable[[], float] = monotonic):
        self._clock = clock
        self._largest: dict[str, int] = {}  # that came back
        self._failing: set[str] = set()  # topics on which the last one did not come back, and others had
        self._silent: dict[str, int] = {}  # the smallest that did not, where none ever has
        self._asked: dict[str, float] = {}
        self._cuts: Counter[str] = Counter()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def lock(self, topic: str) -> asyncio.Lock:
        """Held while a message on `topic` is listened for, and nobody knows whether one can be heard."""
        return self._locks[topic]

    def is_due(self, topic: str, size: int) -> bool:
        """Whether a message has to come back: where one has, each has to; else none was tried for a while.

        Where none ever has it may have been for their size: one that is clearly smaller is worth another try.
        """
        if topic in self._largest:
            return True
        age_s = self._clock() - self._asked.get(topic, -_EVERY_S)
        return age_s >= _EVERY_S or 4 * size < 3 * self._silent.get(topic, 0)

    def ever(self, topic: str) -> bool:
        """Whether a message on `topic` has ever come back."""
        return topic in self._largest

    def shows(self, topic: str, size: int) -> int | None:
        """Of a message that did not come back: the largest that did, where that shows that this one was thrown away.

        On its own topic, on one above it where nothing comes back any more, or, since a limit of size holds for all of
        them, a smaller one on any; else None.
        """
        if topic in self._largest:
            return self._largest[topic]
        for above in self._failing:
            if topic.startswith(f"{above}/"):
                return self._largest[above]
        largest = max(self._largest.values(), default=size)
        return largest if size > largest else None

    def was(self, topic: str, size: int) -> None:
        """A message came back."""
        self._largest[topic] = max(size, self._largest.get(topic, 0))
        self._failing.discard(topic)
        self._cuts[topic] = 0

    def was_lost(self, topic: str) -> None:
        """It did not, and others on this topic have."""
        self._failing.add(topic)

    def was_not(self, topic: str, size: int) -> None:
        """It did not, and none on this topic ever has."""
        self._silent[topic] = min(size, self._silent.get(topic, size))
        self._asked[topic] = self._clock()

    def cut(self, topic: str) -> None:
        """The connection ended while we subscribed: after some of those it is not tried again for a while."""
        self._cuts[topic] += 1
        if self._cuts[topic] >= _CUTS:
            self._cuts[topic] = 0
            self.was_not(topic, 0)
