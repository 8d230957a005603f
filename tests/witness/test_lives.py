"""Whatever happens to a gateway's disk and to its way to two witnesses: in the end both co-sign what it goes on with.

Real logs on disk and real witnesses, asked without a network between. What is tried: restores, losses of the entries or
of the last signature, rotation, outages of either witness; in any order.
"""

import http.client
import shutil
import tempfile
from functools import partial
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from log.made import a_note
from wayside.evidence.entry import decode_entry
from wayside.evidence.epoch import check_beginning, opener
from wayside.evidence.kinds import EpochBody
from wayside.evidence.note import COSIGNATURE, ED25519, Checkpoint, NoteKey, parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin
from wayside.log import Log, LogReader
from wayside.log.reader import newest_epoch
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import AheadError, WitnessClient, WitnessError
from wayside.witness.collect import newest_held
from wayside.witness.witness import Witness

SITE = "test.example"
KEY = SoftwareKey(b"l" * 32)
NOW_S = 1_790_000_000
ENOUGH = 4  # starts until all is well again: one for what each witness shows, and one to spare


class Lives(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.state, self.copy = self.folder / "log", self.folder / "copy"
        self.is_away = [False, False]
        self.is_hurt = False
        self.cosigned: list[list[Checkpoint]] = [[], []]
        self.witnesses, self.keys = [], []
        for number in range(2):
            secret = SoftwareKey(bytes([number]) * 32)
            key = NoteKey(f"w.example/{number}", COSIGNATURE, secret.public)
            path = self.folder / f"witness-{number}.sqlite"
            logs = [NoteKey(f"{SITE}/log/0", ED25519, KEY.public)]
            self.witnesses.append(Witness(path, key, secret.sign, logs, lambda: NOW_S))
            self.keys.append(key)
        self.log = self.open()

    def send(self, number: int, url: str, body: bytes | None) -> tuple[int, bytes]:
        if self.is_away[number]:
            raise http.client.RemoteDisconnected("away")
        path = url.removeprefix("http://w")
        answer = self.witnesses[number].respond("GET" if body is None else "POST", path, body or b"")
        return answer.status, answer.body.encode()

    def clients(self) -> list[WitnessClient]:
        return [
            WitnessClient("http://w", key, partial(self.send, number), [KEY.public])
            for number, key in enumerate(self.keys)
        ]

    def open(self) -> Log:
        asked = partial(newest_held, self.clients())
        log = Log(self.state, SITE, KEY.public, KEY.sign, lambda: (0, 2), witnessed=lambda site: asked(site))
        self.client = self.clients()
        return log

    def cosign(self, number: int) -> bool:
        """Whether the witness co-signs; False: it has shown what this log does not contain."""
        if not self.log.checkpoint:  # nothing is signed, so there is nothing to show
            self.append(1)
        try:
            self.client[number].cosign(self.log)
        except AheadError:
            return False
        self.cosigned[number].append(parse_checkpoint(parse_note(self.log.checkpoint)))
        return True

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        size = self.log.size
        self.log.append_entries([a_note(b"%d" % (size + number)) for number in range(count)])

    @rule(number=st.integers(0, 1))
    def ask(self, number: int) -> None:
        try:
            assert self.cosign(number) or self.is_hurt, "nothing was lost, so nothing can contradict"
        except WitnessError:
            assert self.is_away[number]

    @rule(number=st.integers(0, 1), is_away=st.booleans())
    def go(self, number: int, is_away: bool) -> None:
        self.is_away[number] = is_away

    @rule()
    def start_again(self) -> None:
        self.log.close()
        self.log = self.open()

    @rule()
    def rotate(self) -> None:
        self.log.rotate(KEY.public, KEY.sign, lambda: (0, 2))

    @rule()
    def keep_a_copy(self) -> None:
        self.log.close()
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.state, self.copy)
        self.log = self.open()

    @precondition(lambda self: self.copy.exists())
    @rule()
    def restore_the_copy(self) -> None:
        self.is_hurt = True
        self.log.close()
        shutil.rmtree(self.state)
        shutil.copytree(self.copy, self.state)
        self.log = self.open()

    @rule(what=st.sampled_from(["sqlite", "signed", "all"]))
    def lose(self, what: str) -> None:
        self.is_hurt = True
        self.log.close()
        if what == "all":
            shutil.rmtree(self.state)
        elif what == "signed":
            (self.state / f"epoch-{newest_epoch(self.state)}.signed").write_bytes(bytes(8192))
        else:
            for path in self.state.glob(f"epoch-{newest_epoch(self.state)}.sqlite*"):
                path.unlink()
        self.log = self.open()

    @invariant()
    def a_witness_takes_back_nothing(self) -> None:
        """What it holds of an epoch, or showed when it ended, contains all that it co-signed of it, by number."""
        for witness, history in zip(self.witnesses, self.cosigned, strict=True):
            answer = witness.checkpoint(SITE)
            held = parse_checkpoint(parse_note(answer.body.encode())) if answer.status == 200 else None
            for checkpoint in history:
                assert held is not None
                newest, epoch = parse_origin(held.origin).epoch, parse_origin(checkpoint.origin).epoch
                assert epoch <= newest and (epoch < newest or checkpoint.size <= held.size)

    @invariant()
    def every_epoch_says_what_came_before(self) -> None:
        if self.log.epoch:
            first = decode_entry(self.log.records(0, 1)[0].entry)
            assert isinstance(first.body, EpochBody)
            check_beginning(first.body, parse_origin(self.log.origin), opener([KEY.public]))

    def teardown(self) -> None:
        self.is_away = [False, False]
        before = self.log.epoch
        for _ in range(ENOUGH):
            if [self.cosign(number) for number in range(2)] == [True, True]:
                break
            self.start_again()
        else:
            raise AssertionError("the witnesses and the log do not come together again")
        if not self.is_hurt:
            assert self.log.epoch == before, "without a loss no epoch ends"
        for witness in self.witnesses:
            held = parse_checkpoint(parse_note(witness.checkpoint(SITE).body.encode()))
            assert (held.origin, held.size, held.root) == (self.log.origin, self.log.size, self.log.root)
        self.log.close()
        LogReader(self.state).close()
        shutil.rmtree(self.folder)


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to make a case smaller takes minutes
)
