"""Judges the requests that came, one after the other, and carries out those that an operator may ask for.

Lives as long as the gateway: the connection by which a request came may be one of the parts that the request replaces,
so the answers wait here until there is one again.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from wayside.evidence import EvidenceError
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import OPERATOR, CommandBody
from wayside.log import LogError
from wayside.net.mqtt.inlet import TooLarge
from wayside.remote.messages import (
    MAX_TEXT,
    Request,
    Result,
    State,
    digest,
    open_statement,
    sign,
    unpack_request,
)
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.runtime.rate import Rate
from wayside.site.change import check_bytes, failure
from wayside.site.config import SiteFileError
from wayside.site.history import HistoryError, SiteHistory
from wayside.text.complaints import Complaints
from wayside.text.printable import printable_lines
from wayside.text.reason import reason
from wayside.text.redact import redact
from wayside.trust.keys import SigningKey

_logger = logging.getLogger(__name__)

_WAITING = 4
_ANSWERS = 16
_REMEMBERED = 256  # outcomes
_PER_HOUR = 60  # requests of one operator; as many at once
_LOOK_EVERY_S = 0.1

TOO_LARGE = "too large"
"""Among the counters: messages that nobody has read."""

Record = Callable[[CommandBody], Awaitable[object]]
"""Puts the body of a command entry into the log; done when it is durable, LogError when it has to wait for the log."""


class _Refused(Exception):
    """`counter`: under which name it is counted."""

    def __init__(self, counter: str, text: str):
        super().__init__(text)
        self.counter = counter


class Inbox:
    """`counters` say what became of the requests; `answers` wait to be sent, oldest first."""

    def __init__(
        self,
        site: str,
        path: Path,
        keyring: Keyring,
        identity: SigningKey,
        record: Record,
        has_sink: Callable[[], bool],
        reload: Callable[[], None],
    ):
        """`path`: the site file. `has_sink`: whether a sink is connected; `reload`: the gateway takes up its file."""
        self._site = site
        self._path = path
        self._history = SiteHistory(path)
        self._keyring = keyring
        self._identity = identity
        self._record = record
        self._has_sink = has_sink
        self._reload = reload
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self.counters: Counter[str] = Counter()
        self.answers: deque[bytes] = deque(maxlen=_ANSWERS)
        self.answered = asyncio.Event()
        self._complaints = Complaints(_logger)
        self._said: deque[bytes] = deque(maxlen=_REMEMBERED)
        # By operator. What fits nothing may be an old request that a stranger sends again: that uses up no turn to ask.
        self._asking: defaultdict[str, Rate] = defaultdict(lambda: Rate(_PER_HOUR))
        self._refusing: defaultdict[str, Rate] = defaultdict(lambda: Rate(_PER_HOUR))
        self._done = 0
        self._is_busy = False

    def offer(self, message: bytes) -> None:
        """Take a message from the request topic; one too many is counted and gone.

        Half of the places are for what an operator asks for and what fits: whoever may publish cannot take them.
        """
        places = _WAITING if self._fits(message) else _WAITING // 2
        if self._waiting.qsize() < places:
            self._waiting.put_nowait(message)
        else:
            self.counters["too many at a time"] += 1

    def _fits(self, message: bytes) -> bool:
        try:
            raw, file = unpack_request(message)
            self._check(self._open(raw)[1], file)
        except (EvidenceError, _Refused, OSError):
            return False
        return True

    def too_large(self, told: TooLarge) -> None:
        """Somebody published more than a request can have; it was not read."""
        self.counters[TOO_LARGE] += 1
        self._complaints.say("remote configuration", told)

    def state(self) -> bytes:
        """The signed statement of what is in force."""
        said = State(self._site, self._history.next_number(), digest(self._path.read_bytes()))
        return sign(said, self._identity)

    def pulse(self, name: str) -> Pulse:
        """Of run(), as the task `name`: a request that has come is carried out."""
        return Pulse(name, lambda: self._done, lambda: self._is_busy or not self._waiting.empty(), OUTSIDE_S)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            message = await self._waiting.get()
            self._is_busy = True
            await self._take(message)
            self._is_busy = False
            self._done += 1

    async def _take(self, message: bytes) -> None:
        """What strangers ask for is no entry, nor what one operator asks for without end: nobody can fill the log."""
        try:
            raw, file = unpack_request(message)
        except EvidenceError:
            self.counters["malformed"] += 1
            return
        origin, has_turn = "", False
        try:
            origin, request = self._open(raw)
            self._check(request, file)
            if not (has_turn := self._asking[origin].take(time.monotonic())):
                raise _Refused("too many of one operator", f"over {_PER_HOUR} requests in an hour; ask again later")
            is_done, text = await self._carry_out(origin, request, raw, file)
        except _Refused as refused:
            is_done, text = False, f"refused: {refused}"
            self.counters[refused.counter] += 1
        except (OSError, LogError, HistoryError) as error:
            is_done, text = False, f"not done: {reason(error)}"
            self.counters["failed"] += 1
        except Exception as error:
            # A fault of ours: the operator hears of it, and whoever comes next is judged as ever.
            _logger.exception("configuration by %s: not done", origin or "nobody known")
            is_done, text = False, f"not done, a fault of the gateway: {type(error).__name__}: {error}"
            self.counters["failed"] += 1
        text = printable_lines(redact(text)).encode()[:MAX_TEXT].decode(errors="ignore")
        if self._is_new(raw, text):
            if has_turn or (origin and self._refusing[origin].take(time.monotonic())):
                _logger.warning("configuration by %s: %s", origin, text)
                await self._log(origin, raw, text)
            else:
                self._complaints.say(f"configuration by {origin or 'nobody known'}", text)
        if origin or len(self.answers) < _ANSWERS // 2:  # an operator's answer is not pushed out by strangers'
            self.answers.append(sign(Result(self._site, digest(raw), is_done, text), self._identity))
            self.answered.set()

    def _open(self, raw: bytes) -> tuple[str, Request]:
        try:
            kid, request = open_statement(raw, Request, self._keyring.verify)
        except EvidenceError as error:
            raise _Refused("not signed by a known key", str(error)) from None
        key = self._keyring.get(kid)
        if key is None or key.role != OPERATOR or key.until is not None:
            raise _Refused("not by an operator", f"key {kid.hex()} is not that of an operator; type: wayside keys list")
        return key.holder, request

    def _check(self, request: Request, file: bytes) -> None:
        if request.site != self._site:
            raise _Refused("another site", f"this is {self._site}, the request is for {request.site}")
        expected = self._history.next_number()
        if request.number != expected:
            raise _Refused("another number", f"version {expected} is next, not {request.number}")
        if request.before != digest(self._path.read_bytes()):
            raise _Refused("another file in force", "the site file in force is not the one that the request replaces")
        if request.after != digest(file):
            raise _Refused("another file sent", "the file is not the one that was signed")

    async def _carry_out(self, origin: str, request: Request, raw: bytes, file: bytes) -> tuple[bool, str]:
        if request.after == request.before:
            self.counters["nothing to do"] += 1
            return True, "nothing changes"
        try:
            await asyncio.to_thread(check_bytes, self._path, file)
        except (SiteFileError, HistoryError) as error:
            raise _Refused("not usable", str(error)) from None
        # Before it is done: what a request did must never be in the log without the request.
        await self._record(CommandBody("gateway", origin, f"configuration {request.number}", "on trial", raw))
        version = self._history.put_on_trial(file, needs_sink=self._has_sink(), needs_remote=True)
        self._reload()
        while self._history.trial():
            await asyncio.sleep(_LOOK_EVERY_S)
        why = failure(self._history, version)
        self.counters["taken back" if why else "done"] += 1
        if why:
            return False, f"version {version.number} did not come up, the version before is back: {why}"
        return True, f"version {version.number} is in force"

    def _is_new(self, raw: bytes, text: str) -> bool:
        """Whether this was not said of this request lately: who repeats one for ever must not fill log and journal."""
        said = digest(raw + text.encode())
        if said in self._said:
            return False
        self._said.append(said)
        return True

    async def _log(self, origin: str, raw: bytes, text: str) -> None:
        try:
            await self._record(CommandBody("gateway", origin, "configuration", text, raw))
        except Exception as error:  # whatever it is, the answer still goes out
            _logger.error("the outcome is not in the log yet: %s", error)
