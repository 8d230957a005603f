"""Draws troubles from a seed, lets them happen, and checks behind each step what has to hold.

A step is one to three troubles at once, each with random numbers of its own, so a step is the same whichever other
steps are left out. Behind it the node has 15 minutes, and nobody touches it.
"""

import argparse
import heapq
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from random import Random
from typing import NamedTuple

from wayside_wire import command
from wayside_wire.cbor import decode
from wayside_wire.pack import GOOD, SYNCED

from ..meter_node import configuration
from . import troubles_board, troubles_lines, troubles_words
from .gateway import NS, FateChain, Taken, Violation
from .node import CALM_NAP_NS, MS, NAP_NS, FateNode, Steps
from .troubles_lines import Tell

PATIENCE_NS = 15 * 60 * NS
TROUBLES: tuple[Callable[[FateNode, Random, Tell], Steps], ...] = (
    *troubles_lines.ALL,
    *troubles_board.ALL,
    *troubles_words.ALL,
)
_COMMAND = "python -m wayside_hil.wayside.fate"
_CLOCK_MS = 5000
_SETTLED_NS = 10 * NS  # a pack whose acknowledgement did not come is sent again much sooner
# Seconds from poll to poll, and from report to report: within 15 minutes are ten at the prompt, and a whole report.
_RATES = ((10, 30), (30, 120), (60, 240), (120, 240), *4 * ((240, 240),))


class Ended(BaseException):
    """By SIGTERM: what was done until now counts."""


class Met(NamedTuple):
    """How often the node was judged behind a trouble, alone or beside others, and the longest that it took, in s."""

    times: int = 0
    worst_s: float = 0.0

    def __add__(self, other: "Met") -> "Met":  # type: ignore[override]
        return Met(self.times + other.times, max(self.worst_s, other.worst_s))


class FateResult(NamedTuple):
    """What became of a seed. calm_s: of the time, without a trouble and not behind one; troubles: by name; failed: what
    did not hold, "" where all did; ended: from outside."""

    simulated_s: float
    calm_s: float
    troubles: dict[str, Met]
    packs: int
    gaps: int
    failed: str = ""
    ended: bool = False


class Run:
    """A node and its fate."""

    def __init__(self, image: Path, seed: int, say: Callable[[str], None] = print):
        self.seed = seed
        self.troubles: dict[str, Met] = {}
        self.calm_s = 0.0
        self._say = say
        self._where = "begin"
        self._waits_for = ""
        random = Random(f"{seed} node")
        poll_s, report_s = random.choice(_RATES)
        config = configuration(poll_ms=poll_s * 1000, report_ms=report_s * 1000)
        config |= {"trial_ms": 60_000, "journal_bytes": random.choice((16384, 65536))}
        self.node = FateNode(image, seed=seed + 1)
        self.node.provision(config)
        self._tell(f"polls every {poll_s} s, reports every {report_s} s, {config['journal_bytes']} bytes of journal")

    def begin(self) -> None:
        """Nothing has been done to it yet. Violation when it is not well."""
        self._good_since(self.node.world.now)

    def step(self, number: int, only: Sequence[str] = ()) -> None:
        """The step of this number; only: its trouble is one of these, in turn. Violation when what has to hold does
        not."""
        node = self.node
        self._where = f"step {number}"
        random = Random(f"{self.seed} {number}")
        chosen = random.sample(TROUBLES, random.choice((1, 1, 1, 2, 3)))
        calm_ns = node.calm_ns(random)
        if only:
            chosen = [each for each in TROUBLES if each.__name__ == only[(number - 1) % len(only)]][:1]
        node.world.nap_ns = NAP_NS
        self._together(chosen, Random(f"{self.seed} {number} begin"), number)
        node.board.restore_power()  # a cut that came later than it was waited for
        ended = node.world.now
        node.note_durable()
        self._tell("the trouble is over")
        took = Met(1, self._good_since(ended))
        self.troubles |= {each.__name__: self.troubles.get(each.__name__, Met()) + took for each in chosen}
        node.world.nap_ns = CALM_NAP_NS
        node.world.go_to(node.world.now + calm_ns)
        self.calm_s += calm_ns / NS

    def result(self, failed: str = "", ended: bool = False) -> FateResult:
        chains = self.node.gateway.chains.values()
        return FateResult(
            self.node.world.now / NS,
            self.calm_s,
            self.troubles,
            sum(len(chain.taken) for chain in chains),
            sum(len(chain.gaps) for chain in chains),
            failed,
            ended,
        )

    def _together(self, chosen: Sequence[Callable[..., Steps]], random: Random, number: int) -> None:
        """Let these troubles happen, each beginning a little after the other."""
        world = self.node.world
        order = itertools.count()
        waiting: list[tuple[int, int, Steps]] = []
        for place, trouble in enumerate(chosen):
            steps = trouble(self.node, Random(f"{self.seed} {number} {place}"), self._tell)
            begin = world.now + random.randrange(20_000) * MS
            heapq.heappush(waiting, (begin, next(order), steps))
        while waiting:
            due, _, steps = heapq.heappop(waiting)
            world.go_to(due)
            for wait_ns in steps:
                heapq.heappush(waiting, (world.now + max(1, wait_ns), next(order), steps))
                break

    # --- what has to hold ---

    def _good_since(self, ended: int) -> float:
        """Wait until it polls, signs, is acknowledged and obeys; the seconds since. Violation: that takes too long."""
        node = self.node
        steps = self._well(ended)
        due = node.world.now
        while True:
            node.world.go_to(due)
            try:
                due = node.world.now + next(steps)
            except StopIteration:
                break
            if node.world.now - ended > PATIENCE_NS:
                raise Violation(f"15 minutes after the end of the trouble it still does not {self._waits_for}")
        took_s = (node.world.now - ended) / NS
        self._tell(f"well after {took_s:.0f} s")
        return took_s

    def _well(self, ended: int) -> Steps:
        node = self.node
        self._waits_for = "obey"
        while True:
            answer = yield from node.command(command.CONFIG_READ, 0)
            if answer is not None and answer.status == command.OK:
                break
        content = json.dumps(node.config, separators=(",", ":")).encode()
        while decode(answer.data)[0] != len(content):  # one that the gateway put there and that works: it takes it back
            self._waits_for = "take the configuration of before from the gateway"
            said = yield from node.write_config(content)
            self._tell(f"the configuration of before: {said}")
            yield from node.command(command.REBOOT, patience_s=20)
            yield 20 * NS
            again = yield from node.command(command.CONFIG_READ, 0)
            if again is not None and again.status == command.OK:
                answer = again
        device = node.config["meters"][0]["device"]
        self._waits_for = "poll, sign and have acknowledged"
        while not self._has_good_pack(device, ended):
            yield 2 * NS
        self._waits_for = "send or name every pack that was in its flash"
        while True:
            node.check_losses()
            if not self._owes():
                return
            yield 5 * NS

    def _has_good_pack(self, device: str, ended: int) -> bool:
        """Whether a pack of a poll after the end came, its time right, and the node knows that it is acknowledged."""
        chain = self.node.gateway.chains.get(device)
        if chain is None:
            return False
        for taken in reversed(chain.taken):
            pack = taken.pack
            if taken.at <= ended:
                return False
            if not self._is_acknowledged(chain, taken) or pack.time_quality != SYNCED:
                continue
            good = [each for each in pack.readings if each.quality == GOOD]
            if good and self.node.gateway.utc_ms(ended) <= max(each.time_ms for each in good) + _CLOCK_MS:
                if max(each.time_ms for each in good) > self.node.gateway.utc_ms(taken.at) + _CLOCK_MS:
                    raise Violation(f"a reading of the future: {pack.device} boot {pack.boot} {pack.sequence}")
                return True
        return False

    def _is_acknowledged(self, chain: FateChain, taken: Taken) -> bool:
        """Whether the node knows: it says that what it still holds comes behind, or it sends the pack no more."""
        place = (taken.pack.boot, taken.pack.sequence)
        last_ns = max(taken.at, chain.again.get(place, 0), self.node.reset_ns)
        return chain.oldest > place or self.node.world.now - last_ns > _SETTLED_NS

    def _owes(self) -> bool:
        """Whether packs that were in flash are neither here nor in a gap that was named."""
        for (device, boot, sequence), its_hash in self.node.durable.items():
            chain = self.node.gateway.chains.get(device)
            place = (boot, sequence)
            if chain is None:
                return True
            if chain.has(place, its_hash):
                continue
            if not chain.taken or (chain.taken[-1].pack.boot, chain.taken[-1].pack.sequence) < place:
                return True
        return False

    def _tell(self, what: str) -> None:
        now_s = self.node.world.now // NS
        days, seconds = divmod(now_s, 86400)
        clock = f"{days}d {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        self._say(f"seed {self.seed}, {self._where}, {clock}: {what}")


def one(
    image: Path,
    seed: int,
    steps: Sequence[int],
    only: Sequence[str] = (),
    say: Callable[[str], None] = print,
    end: float = inf,
) -> FateResult:
    """The steps of one seed; end: of the monotonic clock, no step begins behind it."""
    run = Run(image, seed, say)
    number = 0
    try:
        run.begin()
        for number in steps:
            if time.monotonic() < end:
                run.step(number, only)
        return run.result()
    except Ended:
        return run.result(ended=True)
    except Violation as error:
        console = run.node.console[-1500:].decode(errors="replace")
        words = " ".join(map(str, steps[: list(steps).index(number) + 1])) if number else ""
        return run.result(
            f"{error}\nreplay: {_COMMAND} --seed {seed} --steps {words}{' --only ' + ' '.join(only) if only else ''}\n"
            f"resets: {run.node.resets}\nits console said last:\n{console}"
        )
    finally:
        run.node.close()


def total(results: Sequence[FateResult]) -> str:
    """What was done in all, in words and as a table."""
    hours = sum(result.simulated_s for result in results) / 3600
    calm = sum(result.calm_s for result in results) / 3600
    packs, gaps = sum(result.packs for result in results), sum(result.gaps for result in results)
    troubles: dict[str, Met] = {}
    for result in results:
        for name, met in result.troubles.items():
            troubles[name] = troubles.get(name, Met()) + met
    lines = [
        f"{name.replace('_', ' '):40} {met.times:5} times, longest recovery {met.worst_s:4.0f} s"
        for name, met in sorted(troubles.items())
    ]
    return (
        f"{len(results)} seeds, {hours:.1f} simulated hours ({calm:.1f} of them calm), {packs} packs, "
        f"{gaps} gaps that were named, {sum(bool(result.failed) for result in results)} seeds failed\n"
        + "\n".join(lines)
    )


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Ended


def main(arguments: list[str]) -> int:
    """Exit status 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="What fate and strangers do to a node.")
    parser.add_argument("--image", type=Path, default=Path("dist/RP2040_METER.uf2"))
    parser.add_argument("--seed", type=int, default=1, help="the first; others follow")
    parser.add_argument("--seconds", type=float, help="go on with further seeds for so long")
    parser.add_argument("--steps", type=int, nargs="+", help="these steps only, of one seed")
    parser.add_argument("--each", type=int, default=12, help="steps of a seed")
    names = {each.__name__ for each in TROUBLES}
    parser.add_argument("--only", default=(), nargs="+", choices=names, help="these troubles, one a step, in turn")
    parser.add_argument("--go-on", action="store_true", help="with the next seed after something did not hold")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    end = time.monotonic() + options.seconds if options.seconds else inf
    results: list[FateResult] = []

    def say(what: str) -> None:
        print(what, flush=True)

    for seed in itertools.count(options.seed):
        steps: Sequence[int] = options.steps or range(1, options.each + 1)
        try:
            results.append(one(options.image, seed, steps, options.only, say, end))
        except Ended:  # while its node was provisioned
            break
        failed = results[-1].failed
        if failed:
            say(f"FAILED: seed {seed}: {failed}")
        if results[-1].ended or not options.seconds or time.monotonic() >= end or (failed and not options.go_on):
            break
    say(total(results))
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
