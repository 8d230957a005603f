"""The names of a log's streams. What is before the slash is one of a few words, so no device can be taken for another.

keys            who may sign, and how the log began; whole in every bundle, never erased
gateway         configuration, clock, commands
device/<name>   what a device sent, what is lost of it, what happened to it
journal/<name>  what a controller decided
"""

from wayside_wire.text import is_name

from wayside.evidence import EvidenceError

KEYS, GATEWAY, DEVICE, JOURNAL = "keys", "gateway", "device", "journal"


def device_stream(name: str) -> str:
    return f"{DEVICE}/{name}"


def journal_stream(name: str) -> str:
    return f"{JOURNAL}/{name}"


def device_of(stream: str) -> str | None:
    """The device whose stream it is; None for the others."""
    return stream[len(DEVICE) + 1 :] if stream.startswith(f"{DEVICE}/") else None


def check_stream(stream: str) -> str:
    """Which of the four a stream is; EvidenceError when it is none."""
    if stream in (KEYS, GATEWAY):
        return stream
    what, _, name = stream.partition("/")
    if what not in (DEVICE, JOURNAL) or not is_name(name):
        raise EvidenceError("entry: the stream is none of keys, gateway, device/NAME and journal/NAME")
    return what
