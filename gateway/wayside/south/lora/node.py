"""A node on the air as the commander sees it: asked, it is answered for here; told, it waits for the node's frames.

Of the commands there are those about its configuration; the rest needs a line.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

from wayside_wire import cbor, command, link, lora
from wayside_wire import lora_config as wire
from wayside_wire.lora_report import AirProfile

from wayside.south.lora.orders import OFFERED, Orders
from wayside.south.lora.settings import NodeSettingsError, parse, text_of

_ROOM = lora.MAX_FRAME - lora.OVERHEAD - 25  # beside the longest answer about a pack
_MAX_TEXT = 4096
_NOTHING = b"{}"


class _CannotError(Exception):
    """What the text says."""


class AirNode:
    """One node. `counters` and what it tells are as of a node on a line (south.nodes.NodeLink)."""

    board = "LoRa"
    firmware = ""
    connected = True  # there is no port that could be closed

    def __init__(
        self,
        name: str,
        number: int,
        profile: AirProfile,
        orders: Orders,
        heard_s: Callable[[], float | None],
        waiting: Callable[[], int],
    ):
        """number: of the node in its network; heard_s: monotonic time of its last frame; waiting: reports that it has
        not signed yet."""
        self.name = name
        self.counters: Counter[str] = Counter()
        self._number = number
        self._profile = profile
        self._orders = orders
        self._heard_s = heard_s
        self._waiting = waiting
        self._written = b""

    @property
    def boot(self) -> int:
        told = self._orders.told(self._number)
        return told.boot if told else 0

    @property
    def heard_s(self) -> float | None:
        return self._heard_s()

    @property
    def told(self) -> dict[str, int]:
        """What the node counts since its start."""
        told = self._orders.told(self._number)
        if told is None:
            return {}
        return {"frames without airtime": told.unsent, "channel busy": told.busy, "reports lost": told.lost}

    @property
    def configuration(self) -> str:
        """Which it has, and which is on its way."""
        told, order = self._orders.told(self._number), self._orders.of(self._number)
        said = "not told" if told is None else f"version {told.version}" if told.version else "its own file"
        if told and told.outcome == wire.TRYING:
            said += f", tries version {told.tried}"
        elif order.state == OFFERED:
            said += f", version {order.version} waits to be heard"
        return said

    def status(self) -> dict[str, Any]:
        """What there is to know of it without asking."""
        told = self._orders.told(self._number)
        return {
            "configuration": self.configuration,
            "waiting": self._waiting(),
            "short": bool(told and told.unsent),
            "counts": self.told,
        }

    def outcome(self, verb: str) -> str:
        """What a command that was taken has come to, for the log."""
        order = self._orders.of(self._number)
        return f"version {order.version} waits for a frame of the node, SHA-256 begins {_digest(order.payload)}"

    async def command(self, raw: bytes, number: int) -> link.CommandAnswer:
        """As NodeLink.command(), at once."""
        asked = command.open_command(raw, lambda kid, message, signature: True)  # the commander's own
        try:
            result = await self._do(asked.verb, list(asked.arguments), raw)
        except (_CannotError, NodeSettingsError) as error:
            return link.CommandAnswer(number, command.FAILED, str(error).encode("ascii", "replace")[: link.MAX_DATA])
        except sqlite3.Error as error:
            return link.CommandAnswer(number, command.FAILED, f"the disk refuses: {error}".encode("ascii", "replace"))
        return link.CommandAnswer(number, command.OK, cbor.encode(result))

    async def _do(self, verb: str, arguments: list[object], raw: bytes) -> object:
        match verb, arguments:
            case command.COUNTERS, []:
                return self.told
            case command.CONFIG_READ, [int(offset)]:
                text = self._text()
                return [len(text), hashlib.sha256(text).digest(), text[offset : offset + command.PIECE]]
            case command.CONFIG_WRITE, [int(offset), bytes(piece)]:
                if offset + len(piece) > _MAX_TEXT:
                    raise _CannotError(f"a configuration for the air has at most {_MAX_TEXT} bytes")
                if offset not in (0, len(self._written)):
                    raise _CannotError(f"{len(self._written)} bytes are written; begin again at 0")
                self._written = (self._written if offset else b"") + piece
                return True
            case command.CONFIG_USE, [int(size), bytes(digest)]:
                if (len(self._written), hashlib.sha256(self._written).digest()) != (size, digest):
                    raise _CannotError("what was written is not what was meant; write it again from 0")
                return await self._use(raw)
        raise _CannotError(f"a node on the air cannot do {verb}; it can be configured, and shows its counters")

    def _text(self) -> bytes:
        told, kept = self._orders.told(self._number), self._orders.kept(self._number)
        if told is None:
            raise _CannotError("the node has not said yet what it has; wait for its next report")
        if kept is None:
            raise _CannotError(f"the node has version {told.version}, which is not known here; give it a new one")
        return text_of(kept, self._profile).encode() if kept else _NOTHING

    async def _use(self, raw: bytes) -> str:
        version = self._orders.next_version(self._number)
        payload = parse(self._written, self._profile, version)
        if len(payload) > _ROOM:
            raise _CannotError(f"{len(payload)} bytes do not fit in an answer, which has room for {_ROOM}")
        await self._orders.give(self._number, self.name, version, payload, raw)
        return f"version {version} waits for the next frame of {self.name} that asks; see: wayside status"


def _digest(payload: bytes) -> str:
    return bytes(wire.digest_of(payload)).hex()
