"""A technician at the node, by Bluetooth: when somebody may connect, and what is done with what he sends.

Off by default. Reading is open to whoever stands there while the bench is on; whatever changes something is a command
that the gateway's key signed, as over the serial link. No radio here: `ble_gatt` is the glue.
"""

from wayside_wire import WireError, frame, link


class Bench:
    """counts: what came and what was wrong with it."""

    def __init__(self, clock, after_start_ms: int, contact, manager):
        """On for after_start_ms from now, and while contact() says so (None: no contact).

        manager: a manager.Manager.
        """
        self._clock = clock
        self._until = clock.now() + after_start_ms
        self._contact = contact
        self._manager = manager
        self._decoder = frame.FrameDecoder()
        self.counts = {}

    def is_on(self) -> bool:
        return self._clock.now() < self._until or (self._contact is not None and bool(self._contact()))

    def begin(self) -> None:
        """Somebody has connected; what another one left half is forgotten."""
        self._decoder = frame.FrameDecoder()
        self._count("connections")

    def take(self, data: bytes) -> bytes:
        """The frames that answer what was written. Does the commands in it, which may write flash."""
        if not self.is_on():
            self._count("writes while off")
            return b""
        answers = b""
        for message in self._decoder.feed(data):
            try:
                said = link.decode(message)
            except WireError:
                said = None
            if isinstance(said, link.CommandMessage):
                answers += frame.encode(link.encode(self._manager.answer(said.raw)))
            else:
                self._count("not a command")
        return answers

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
