"""The node's link in a trace: the name of each message."""

from collections.abc import Callable, Iterable

from wayside_wire import WireError, frame, link

from ..trace import Trace


def link_trace(uart: int = 0) -> Trace:
    """With a lane "link" of this UART's messages."""
    return Trace({uart: ("link", _reader)})


def _reader() -> Callable[[int], Iterable[str]]:
    decoder = frame.FrameDecoder()
    return lambda value: map(_say, decoder.feed(bytes((value,))))


def _say(message: bytes) -> str:
    try:
        decoded = link.decode(message)
        return type(link.decode(decoded.message) if isinstance(decoded, link.Sealed) else decoded).__name__
    except WireError:
        return "unreadable"
