"""Commands of the gateway to its nodes: signed with its key, numbered, one after the other to each node.

Between `south` and `manage`; only the daemon uses it.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from wayside_wire import command, link
from wayside_wire.pack import key_id

from wayside.daemon.manage import Handler
from wayside.evidence.kinds import CommandBody
from wayside.net.node_line import NoAnswer, NodeLine
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import DISK_S, Pulse
from wayside.trust.keys import SigningKey

_logger = logging.getLogger(__name__)

_TRIALS_EVERY_S = 1.0
_TRIALS = "gateway"
"""Who gives the commands by which a new configuration stays."""


class CommandError(ValueError):
    """A command that cannot be given, or that the node did not do; the text says why."""


_SEEN = re.compile(rb"number \d{1,16} is not above (\d{1,15})")
"""How a node refuses a number: with the highest that it has seen."""

_LOGGED = (command.CONFIG_USE, command.REBOOT, command.SELFTEST)
"""Commands that change or exercise a node; the others only read, or prepare one of these."""

Record = Callable[[CommandBody], Awaitable[object]]
"""Puts the body of a command entry into the log; done when it is durable, or waits for a log that refuses."""

KeyIdOf = Callable[[str], bytes | None]
"""The key id of the key that a node holds now, None when it holds none."""


class Commander:
    """Gives commands to the nodes of one gateway."""

    def __init__(
        self, links: Callable[[], Sequence[NodeLine]], key: SigningKey, kid_of: KeyIdOf, clock: Clock, record: Record
    ):
        """`links`: those that there are at the moment."""
        self._links = links
        self._key = key
        self._kid_of = kid_of
        self._clock = clock
        self._record = record
        self._last: dict[str, int] = {}
        self._rounds = 0

    def handlers(self) -> dict[str, Handler]:
        """For the management socket: {"do": "nodes"}, and {"do": "command", "node", "verb", "arguments"} with bytes in
        hexadecimal; CommandError."""
        return {"nodes": self._show, "command": self._give}

    async def _show(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        return {"ok": True, "nodes": self.nodes()}

    async def _give(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        node, verb, arguments = request.get("node"), request.get("verb"), request.get("arguments")
        if not isinstance(node, str) or not isinstance(verb, str) or not isinstance(arguments, list):
            raise CommandError("node, verb and arguments are needed")
        try:
            decoded = [bytes.fromhex(each) if isinstance(each, str) else each for each in arguments]
        except ValueError:
            raise CommandError("bytes are written in hexadecimal") from None
        return {"ok": True, "data": (await self.give(node, verb, decoded, who)).hex()}

    def nodes(self) -> list[dict[str, Any]]:
        """What is known of each node without asking it."""
        now = self._clock.monotonic()
        return [
            {
                "name": each.name,
                "board": each.board,
                "firmware": each.firmware,
                "boot": each.boot,
                "connected": each.connected,
                "silent_s": None if each.heard_s is None else round(now - each.heard_s, 1),
                "key_id": (self._kid_of(each.name) or b"").hex(),
                "counts": each.told,
            }
            for each in self._links()
        ]

    async def give(self, node: str, verb: str, arguments: Sequence[object], who: str) -> bytes:
        """The data of the node's answer to what `who` asks, CBOR as wayside_wire.command has it.

        CommandError unless it is done.
        """
        links = {each.name: each for each in self._links()}
        line = links.get(node)
        if line is None:
            raise CommandError(f"no node {node}; there are: {', '.join(sorted(links)) or 'none'}")
        kid = self._kid_of(node)
        if kid is None:
            raise CommandError(f"{node} holds no key that counts; type: wayside keys enrol")
        number, raw = self._sign(node, kid, verb, arguments)
        try:
            answer = await line.command(raw, number)
            if answer.status == command.REPLAYED and self._learn(node, answer):
                number, raw = self._sign(node, kid, verb, arguments)
                answer = await line.command(raw, number)
            data = self._data(node, answer)
            await self._log(node, who, verb, line.outcome(verb), raw)
        except (NoAnswer, CommandError) as error:
            await self._log(node, who, verb, str(error), raw)
            raise CommandError(str(error)) from None
        return data

    def _sign(self, node: str, kid: bytes, verb: str, arguments: Sequence[object]) -> tuple[int, bytes]:
        """The next command to a node, with its number: the time, but above those before it."""
        number = self._last[node] = max(self._clock.utc_ms(), self._last.get(node, 0) + 1)
        try:
            wanted = command.Command(kid, number, verb, list(arguments))
            return number, command.sign_command(wanted, key_id(self._key.public), self._key.sign)
        except ValueError as error:
            raise CommandError(str(error)) from None

    def _learn(self, node: str, answer: link.CommandAnswer) -> bool:
        """Go on above the number that a node has seen already, as it says in its session: this clock, or one before it,
        was wrong once, and no command would count until that time comes."""
        told = _SEEN.fullmatch(answer.data)
        if told is None or int(told[1]) < self._last[node]:
            return False
        _logger.warning("node %s has had a command of %s; this goes on above it", node, told[1].decode())
        self._last[node] = int(told[1])
        return True

    def pulse(self, name: str) -> Pulse:
        """Of stand_trials(), as the task `name`; a node on the air may take long to be asked."""
        return Pulse(name, lambda: self._rounds, within_s=DISK_S)

    async def stand_trials(self) -> None:
        """Give a command to each node that asks for one as often as it asks, until cancelled.

        A node keeps a new configuration when a command of its gateway has been done under it.
        """
        heard: dict[str, object] = {}
        while True:
            self._rounds += 1
            asking = [line for line in self._links() if line.told.get(command.ON_TRIAL)]
            new = [line for line in asking if heard.get(line.name) is not line.told]
            heard |= {line.name: line.told for line in new}
            await asyncio.gather(*(self._stand_trial(line.name) for line in new))
            await asyncio.sleep(_TRIALS_EVERY_S)

    async def _stand_trial(self, node: str) -> None:
        try:
            await self.give(node, command.INFO, [], _TRIALS)
        except CommandError as error:
            _logger.warning("node %s: its new configuration is on trial, and it takes no command: %s", node, error)

    async def _log(self, node: str, who: str, verb: str, outcome: str, raw: bytes) -> None:
        if verb in _LOGGED:
            await self._record(CommandBody(node, who, verb, outcome, raw))

    def _data(self, node: str, answer: link.CommandAnswer) -> bytes:
        if answer.status == command.OK:
            return bytes(answer.data)
        said = answer.data.decode("ascii", "replace")
        if answer.status == command.REPLAYED:
            raise CommandError(f"{node}: {said}: another gateway has its key, or this one's clock is wrong; see to it")
        if answer.status == command.REFUSED:
            needed = f'"gateway": "{self._key.public.hex()}"'
            raise CommandError(f"{node} takes no command of this gateway ({said}); its configuration needs {needed}")
        raise CommandError(f"{node}: {said}")
