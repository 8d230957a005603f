"""Asking all witnesses of a site at once: each in a thread of its own, so that one that hangs delays no other."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from random import Random
from time import monotonic
from typing import Protocol, TypeVar

from wayside.evidence import EvidenceError
from wayside.evidence.note import Note, Signature, parse_note

from .client import AheadError, Provable, WitnessClient, WitnessError

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_LONGEST_WAIT_S = 600.0  # for a witness that fails again and again
COLLECT_S = 25.0  # two round trips and some for the look-up of names
START_S = 5.0  # how long a start waits for witnesses that do not answer


class PinnedLog(Provable, Protocol):
    """A log as it was at one checkpoint, for one thread."""

    def close(self) -> None: ...


class Collector:
    """The witnesses of a site. One thread uses it at a time."""

    def __init__(
        self,
        clients: Sequence[WitnessClient],
        open_log: Callable[[bytes], PinnedLog],
        random: Random,
        now_s: Callable[[], float] = monotonic,
        first_wait_s: float = 10.0,
    ):
        """`open_log`: the log as it was at the checkpoint given; `first_wait_s`: the ceiling after one failure."""
        self._clients = clients
        self._open_log = open_log
        self._random = random
        self._now_s = now_s
        self._first_wait_s = first_wait_s
        self._failures = {client.key.name: 0 for client in clients}
        self._not_before_s = dict.fromkeys(self._failures, float("-inf"))

    def collect(self, checkpoint: bytes) -> Note:
        """The checkpoint with the cosignatures of the witnesses that gave theirs now; perhaps of none."""
        now_s = self._now_s()
        due = [client for client in self._clients if now_s >= self._not_before_s[client.key.name]]

        def cosign(client: WitnessClient) -> Signature:
            with closing(self._open_log(checkpoint)) as log:
                return client.cosign(log)

        answers = ask_all(due, cosign, COLLECT_S)
        for client in due:
            self._remember(client.key.name, client.key.name in answers)
        return parse_note(checkpoint).with_signatures(answers.values())

    def _remember(self, name: str, answered: bool) -> None:
        """Exponential back-off with full jitter for those that failed."""
        if answered:
            self._failures[name] = 0
            return
        ceiling_s = min(self._first_wait_s * 2.0 ** min(self._failures[name], 20), _LONGEST_WAIT_S)
        self._failures[name] += 1
        self._not_before_s[name] = self._now_s() + self._random.uniform(0, ceiling_s)


def high_water(clients: Sequence[WitnessClient], checkpoint: bytes, within_s: float = START_S) -> int | None:
    """The largest size that a witness has co-signed and that `checkpoint` does not contain; None when there is none.

    None also when no witness answers within the time: a gateway must start without a network.
    """
    held: list[int] = []

    def check(client: WitnessClient) -> None:
        try:
            client.check_start(checkpoint)
        except AheadError as error:
            held.append(error.size)
            raise

    ask_all(clients, check, within_s)
    return max(held, default=None)


def ask_all(clients: Sequence[WitnessClient], ask: Callable[[WitnessClient], T], within_s: float) -> dict[str, T]:
    """What each client answered, by its key's name; those that failed or took longer than `within_s` are left out."""
    answers: dict[str, T] = {}

    def run(client: WitnessClient) -> None:
        try:
            answers[client.key.name] = ask(client)
        except AheadError as error:
            _logger.critical("witness: %s; this log is an old copy, or another signs with its key", error)
        except (WitnessError, EvidenceError) as error:
            _logger.warning("witness: %s", error)
        except Exception:
            # A thread's error has nobody above it; whatever it was, it must not pass in silence.
            _logger.exception("witness: asking %s failed", client.key.name)

    threads = [threading.Thread(target=run, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    end_s = monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, end_s - monotonic()))
    return dict(answers)
