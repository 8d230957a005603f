"""A node's end of a link for tests that play the node: real keys, real sessions."""

import os

from wayside.south import curves
from wayside.trust.keys import SoftwareKey
from wayside_wire import WireError, frame, link
from wayside_wire.session import LinkSession, NodeEnd, NodeIdentity

ABOUT = NodeIdentity(1, "UNIX", "0.1")


class NodePeer:
    """`take` is given what came in, and answers the handshake; `seal` makes frames of what the test has to say."""

    def __init__(self, key: SoftwareKey, gateway: bytes, about: NodeIdentity = ABOUT):
        self.end = NodeEnd(key.public, key.sign, gateway, curves, os.urandom, about)
        self.session: LinkSession | None = None

    def hello(self) -> bytes:
        return frame.encode(link.encode(self.end.hello()))

    def seal(self, message: object) -> bytes:
        assert self.session, "no session stands"
        return frame.encode(self.session.seal(message))

    def take(self, data: bytes) -> tuple[object | None, bytes]:
        """(what the message says, None for what the handshake is made of; frames to answer with)."""
        message = link.decode(data)
        if isinstance(message, link.Welcome):
            try:
                confirm, self.session = self.end.answer(message)
            except WireError:
                return None, b""  # to an older hello
            return None, frame.encode(link.encode(confirm))
        if isinstance(message, link.Sealed):
            assert self.session
            return self.session.open(message), b""
        if isinstance(message, link.Error) and message.code == link.NO_SESSION:
            return message, b"" if self.session else self.hello()
        return message, b""
