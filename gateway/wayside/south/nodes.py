"""Nodes on a serial link: frames in, packs to the intake, acknowledgements and time out.

One task owns one port. What the node has not seen acknowledged, it sends again by itself. Everything but the three
messages that make a session (wayside_wire.session) is sealed, both ways; the session outlives the port.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from wayside_wire import WireError, link
from wayside_wire.pack import key_id
from wayside_wire.session import GatewayEnd

from wayside.net.frame_port import FramePort, Opening, OpenPort
from wayside.net.node_line import NoAnswer
from wayside.net.serial_port import open_port
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.south import curves
from wayside.text.complaints import Complaints
from wayside.trust.keys import SigningKey
from wayside.values.reading import PackRefused

_logger = logging.getLogger(__name__)

_TURN_S = 60.0
_HINT_EVERY_S = 1.0  # that no session stands
_COMMAND_AGAIN_S = 2.0
_COMMAND_TRIES = 10
_UNANSWERED = 32  # packs of one link that may wait for the log at once; more are answered with "busy"


Accept = Callable[[bytes, tuple[int, int]], Awaitable[link.Ack]]
"""(raw pack, oldest held) -> acknowledgement when it is durable; raises PackRefused."""

GiveUp = Callable[[link.GivenUp], Awaitable[link.Ack]]
"""What a node holds no more of a device -> acknowledgement when what is missing is logged; raises PackRefused."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Whose link it is: the gateway's key, and the node's public key that counts now, None when it holds none."""

    gateway: SigningKey
    node: Callable[[], bytes | None]


class NodeLink:
    """The link of one node. `counters`: what came and what was wrong with it; `told`: what the node itself counts."""

    def __init__(
        self,
        name: str,
        path: str,
        baud: int,
        accept: Accept,
        clock: Clock,
        parties: Parties,
        open_port: OpenPort = open_port,
        give_up: GiveUp | None = None,
    ):
        self.name = name
        self.parties = parties
        self.end = GatewayEnd(parties.gateway.public, parties.gateway.sign, curves, os.urandom)
        self.counters: Counter[str] = Counter()
        self.complaints = Complaints(_logger)
        self.board = ""
        self.firmware = ""
        self.boot = 0
        self.told: dict[str, int] = {}
        self.heard_s: float | None = None  # monotonic time of its last word
        self.agreed_with: bytes | None = None  # the node's public key in the session that stands
        self.turns = 0  # while its port is open, at least one a minute
        self.port = FramePort(f"node {name}", partial(open_port, path, baud), self.counters)
        self._accept = accept
        self.give_up = give_up
        self._clock = clock
        self._opening: _Opening | None = None
        self._waiting: tuple[int, asyncio.Future[link.CommandAnswer]] | None = None
        self._one_command = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the port is open."""
        return self.port.is_open

    async def command(self, raw: bytes, number: int) -> link.CommandAnswer:
        """The node's answer to the signed command `raw`; NoAnswer when none comes.

        While none comes the same bytes are sent again: a node is deaf while it writes to flash, does a command once,
        and answers it as often as it hears it.
        """
        async with self._one_command:
            future: asyncio.Future[link.CommandAnswer] = asyncio.get_running_loop().create_future()
            self._waiting = (number, future)
            try:
                for _ in range(_COMMAND_TRIES):
                    if self._opening:
                        self._opening.send(link.CommandMessage(raw))
                    done, _ = await asyncio.wait([future], timeout=_COMMAND_AGAIN_S)
                    if done:
                        return future.result()
            finally:
                self._waiting = None
        where = "its port is not open; tried"
        if self._opening:
            where = "sent it" if self.end.session else "no session stands (does it have this gateway's key?); tried"
        raise NoAnswer(f"node {self.name} does not answer: {where} {_COMMAND_TRIES} times")

    def outcome(self, verb: str) -> str:
        """What a command that the node has answered has come to, for the log."""
        return "done"

    def take_answer(self, answer: link.CommandAnswer) -> None:
        """For who waits. Number 0 says that the command could not be read."""
        if self._waiting is None or self._waiting[1].done() or answer.number not in (0, self._waiting[0]):
            self.counters["answers to nobody"] += 1
            return
        self._waiting[1].set_result(answer)

    def heard(self) -> None:
        self.heard_s = self._clock.monotonic()

    def pulse(self) -> Pulse:
        """Even when the node is silent the link goes round once a minute, to send it the time."""
        return Pulse(f"node {self.name}", lambda: (self.port.turns, self.turns), within_s=OUTSIDE_S)

    async def run(self) -> None:
        """Serve the link until cancelled."""
        await self.port.run(self._serve)

    async def _serve(self, opening: Opening) -> None:
        self._opening = _Opening(self, opening, self._accept, self._clock)
        try:
            await self._opening.run()
        finally:
            self._opening = None


class _Opening:
    """What is said over one opening of the port."""

    def __init__(self, owner: NodeLink, opening: Opening, accept: Accept, clock: Clock):
        self._owner = owner
        self._counters = owner.counters
        self._opening = opening
        self._accept = accept
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._hint_at_s = -_HINT_EVERY_S
        self._turned_away: set[str] = set()

    async def run(self) -> None:
        try:
            while True:
                self._owner.turns += 1
                if not self._owner.end.session:
                    self._hint()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TURN_S):
                        await self._receive()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _receive(self) -> None:
        while True:
            for message in await self._opening.messages():
                self._handle_message(message)

    def _handle_message(self, data: bytes) -> None:
        try:
            message = link.decode(data)
        except link.OtherVersion as error:
            self._turn_away("version", str(error))
            return
        except WireError as error:
            self._counters["bad messages"] += 1
            self._put(link.error(link.BAD_MESSAGE, str(error)))
            return
        if isinstance(message, link.Sealed):
            self._open(message)
        elif isinstance(message, link.Hello):
            self._greet(message)
        elif isinstance(message, link.Confirm):
            self._confirm(message)
        else:
            self._counters["messages without a seal"] += 1
            self._hint()

    def _greet(self, hello: link.Hello) -> None:
        self._counters["hellos"] += 1
        public = self._owner.parties.node()
        if public is None or key_id(public) != hello.kid:
            text = f"key {hello.kid.hex()} is not that of {self._owner.name}; type: wayside keys enrol, or replace"
            self._turn_away("key", text)
            return
        self._put(self._owner.end.welcome(hello))

    def _confirm(self, confirm: link.Confirm) -> None:
        public = self._owner.parties.node()
        try:
            about = self._owner.end.confirm(confirm, public or b"")
        except WireError:
            self._counters["confirmations refused"] += 1  # forged, or to a welcome before the last start
            return
        if about is None:
            return
        self._counters["sessions"] += 1
        self._turned_away.clear()
        owner = self._owner
        owner.agreed_with = public
        owner.boot, owner.board, owner.firmware = about.boot, about.board, about.firmware
        owner.heard()
        self._send_time(0)

    def _open(self, sealed: link.Sealed) -> None:
        owner = self._owner
        if owner.end.session and owner.parties.node() != owner.agreed_with:
            owner.end.forget()  # another board is in the node's place now
        try:
            message = owner.end.open(sealed)
        except WireError:
            self._counters["seals refused"] += 1
            if not owner.end.knows(sealed.session):
                self._hint()
            return
        owner.heard()
        if isinstance(message, link.PackMessage):
            self._take(partial(self._accept, message.raw, (message.oldest_boot, message.oldest_sequence)), "packs")
        elif isinstance(message, link.GivenUp) and owner.give_up:
            self._take(partial(owner.give_up, message), "devices given up")
        elif isinstance(message, link.AskTime):
            self._send_time(sealed.number)
        elif isinstance(message, link.CommandAnswer):
            owner.take_answer(message)
        elif isinstance(message, link.CountersMessage):
            owner.told = dict(message.counts)
        elif isinstance(message, link.Error):
            self._counters["errors from node"] += 1
        else:
            self._counters["bad messages"] += 1

    def _hint(self) -> None:
        """That the node should say hello; anybody could say so, and a node knows that."""
        now_s = self._clock.monotonic()
        if now_s - self._hint_at_s >= _HINT_EVERY_S:
            self._hint_at_s = now_s
            self._put(link.Error(link.NO_SESSION, "no session stands, say hello"))

    def _turn_away(self, why: str, text: str) -> None:
        """A hello may say anything: the operator is told once of each kind, until a session stands."""
        self._counters["turned away"] += 1
        if why not in self._turned_away:
            self._turned_away.add(why)
            _logger.warning("node %s: %s", self._owner.name, text)
        self._answer_error(link.error(link.REFUSED, text))

    def _refuse(self, code: int, text: str) -> None:
        self._counters["refused"] += 1
        self._owner.complaints.say(f"node {self._owner.name}", text)
        self._answer_error(link.error(code, text))

    def _answer_error(self, error: link.Error) -> None:
        """Sealed where a session stands, else as a hint."""
        if self._owner.end.session:
            self.send(error)
        else:
            self._put(error)

    def _take(self, acknowledge: Callable[[], Awaitable[link.Ack]], what: str) -> None:
        if len(self._tasks) >= _UNANSWERED:
            self._counters["busy"] += 1
            self.send(link.Error(link.BUSY, "too many packs at once; send fewer before an acknowledgement"))
            return
        task = asyncio.create_task(self._answer(acknowledge, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, acknowledge: Callable[[], Awaitable[link.Ack]], what: str) -> None:
        try:
            ack = await acknowledge()
        except PackRefused as refused:
            self._refuse(refused.code, str(refused))
            return
        self._counters[what] += 1
        self.send(ack)

    def _send_time(self, asked: int) -> None:
        self.send(link.TimeMessage(self._clock.utc_ms(), self._clock.time_quality(), asked))

    def send(self, message: object) -> None:
        """Seal and write a message; nothing where no session stands."""
        session = self._owner.end.session
        if session is None:
            self._counters["not sent without a session"] += 1
        else:
            self._opening.write(session.seal(message))

    def _put(self, message: object) -> None:
        self._opening.write(link.encode(message))
