"""Asking all witnesses of a site at once: each in a thread of its own, so that one that hangs delays no other."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from random import Random
from time import monotonic
from typing import NamedTuple, Protocol, TypeVar

from wayside.evidence import EvidenceError
from wayside.evidence.note import Note, Signature, parse_checkpoint, parse_note
from wayside.runtime.backoff import Backoff

from .client import AheadError, Provable, UnshownError, WitnessClient, WitnessError

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_LONGEST_WAIT_S = 600.0  # for a witness that fails again and again
COLLECT_S = 25.0  # two round trips and some for the look-up of names
START_S = 5.0  # how long a start waits for witnesses that do not answer


class PinnedLog(Provable, Protocol):
    """A log as it was at one checkpoint, for one thread."""

    def close(self) -> None: ...


class Standing(NamedTuple):
    """What a witness last co-signed, and when (ms since 1970; None: never); `error`: why it did not last time.

    claims: how often it refused as if it knew another history and did not show it.
    """

    size: int = 0
    cosigned_ms: int | None = None
    error: str = ""
    claims: int = 0


class Collector:
    """The witnesses of a site. One thread uses it at a time; `standings`, by the keys' names, may be read by others."""

    def __init__(
        self,
        clients: Sequence[WitnessClient],
        open_log: Callable[[bytes], PinnedLog],
        random: Random,
        utc_ms: Callable[[], int],
        now_s: Callable[[], float] = monotonic,
        first_wait_s: float = 10.0,
    ):
        """`open_log`: the log as it was at the checkpoint given; `first_wait_s`: the ceiling after one failure."""
        self._clients = clients
        self._open_log = open_log
        self._utc_ms = utc_ms
        self._now_s = now_s
        names = [client.key.name for client in clients]
        self._backoffs = {name: Backoff(first_wait_s, _LONGEST_WAIT_S, random) for name in names}
        self.standings = dict.fromkeys(names, Standing())
        self.ahead = False
        """Whether a witness showed, when it was asked last, what this log has signed and does not contain."""
        self._not_before_s = dict.fromkeys(names, float("-inf"))

    def collect(self, checkpoint: bytes) -> Note:
        """The checkpoint with the cosignatures of the witnesses that gave theirs now; perhaps of none."""
        now_s = self._now_s()
        due = [client for client in self._clients if now_s >= self._not_before_s[client.key.name]]

        def cosign(client: WitnessClient) -> Signature:
            with closing(self._open_log(checkpoint)) as log:
                return client.cosign(log)

        note = parse_note(checkpoint)
        size = parse_checkpoint(note).size
        answers, failures = ask_all(due, cosign, COLLECT_S)
        self.ahead = any(isinstance(error, AheadError) for error in failures.values())
        remarks = {client.key.name: client.remark for client in due}
        for name in answers:
            self._backoffs[name].reset()
            self.standings[name] = Standing(size, self._utc_ms(), remarks[name], self.standings[name].claims)
        for name, error in failures.items():
            self._not_before_s[name] = self._now_s() + self._backoffs[name].next_s()
            claims = self.standings[name].claims + isinstance(error, UnshownError)
            self.standings[name] = self.standings[name]._replace(error=str(error), claims=claims)
        return note.with_signatures(answers.values())


def newest_held(clients: Sequence[WitnessClient], site: str, within_s: float = START_S) -> list[bytes]:
    """The newest checkpoint of the site that each witness shows, by the site's own signature.

    Nothing of a witness that does not answer within the time: a gateway must start without a network.
    """
    answers, _ = ask_all(clients, lambda client: client.newest(site), within_s)
    return [note for client in clients if (note := answers.get(client.key.name))]


def ask_all(
    clients: Sequence[WitnessClient], ask: Callable[[WitnessClient], T], within_s: float
) -> tuple[dict[str, T], dict[str, Exception]]:
    """What each client answered, and why the others did not, by its key's name."""
    answers: dict[str, T] = {}
    failures: dict[str, Exception] = {}

    def run(client: WitnessClient) -> None:
        name = client.key.name
        try:
            answers[name] = ask(client)
        except AheadError as error:
            failures[name] = error
            _logger.critical("witness: %s; this log is an old copy, or another signs with its key", error)
        except (WitnessError, EvidenceError) as error:
            failures[name] = error
            _logger.warning("witness: %s", error)
        except Exception as error:
            # A thread's error has nobody above it; whatever it was, it must not pass in silence.
            failures[name] = error
            _logger.exception("witness: asking %s failed", name)

    threads = [threading.Thread(target=run, args=(each,), name="wayside-witness", daemon=True) for each in clients]
    for thread in threads:
        thread.start()
    end_s = monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, end_s - monotonic()))
    # Copies: a thread that comes too late goes on to write.
    answered, failed = dict(answers), dict(failures)
    for client in clients:
        if (name := client.key.name) not in answered | failed:
            failed[name] = WitnessError(f"{name} has not answered within {within_s:g} s")
    return answered, failed
