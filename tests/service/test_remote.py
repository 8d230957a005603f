"""A new site file over a real broker: who may send one, what is refused and why, and the way back."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from north.mosquitto import PROGRAM, Mosquitto
from north.raw_publisher import RawPublisher
from waiting import until
from wayside.cli import main
from wayside.daemon.sd_notify import NOBODY
from wayside.daemon.service import Probation, keep_running
from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import GATEWAY, OPERATOR, REGISTERED, REVOKED, CommandBody, KeyBody
from wayside.log import LogReader
from wayside.remote.inbox import Inbox
from wayside.remote.messages import (
    MAX_FILE,
    MAX_MESSAGE,
    Request,
    Result,
    State,
    by,
    digest,
    open_statement,
    pack_request,
    sign,
    unpack_request,
)
from wayside.runtime.clock import SystemClock
from wayside.site.history import SiteHistory
from wayside.trust.keys import SoftwareKey, load, write_private

# A key file with a seed that is typed, such as thirty-two times an o, is refused.
OPERATOR_SEED, GATEWAY_SEED, STRANGER_SEED = (sha256(name).digest() for name in (b"operator", b"gateway", b"stranger"))
OPERATOR_KEY, GATEWAY_KEY, STRANGER = map(SoftwareKey, (OPERATOR_SEED, GATEWAY_SEED, STRANGER_SEED))
SITE = '[site]\nname = "test.example"\n'
NEW = SITE + "# another\n"


class Bench:
    """An Inbox without a broker; `reload` is what the gateway would do with the file on trial."""

    def __init__(self, folder: Path, comes_up: bool = True):
        self.path = folder / "site.toml"
        self.path.write_text(SITE)
        self.history = SiteHistory(self.path)
        self.history.keep(SITE.encode())
        self.keyring = Keyring()
        self.keyring.take(0, KeyBody(OPERATOR_KEY.public, OPERATOR, (), REGISTERED, holder="ann"))
        self.keyring.take(1, KeyBody(GATEWAY_KEY.public, GATEWAY, ("m",), REGISTERED))
        self.recorded: list[CommandBody] = []
        self._comes_up = comes_up
        self.inbox = Inbox(
            "test.example", self.path, self.keyring, GATEWAY_KEY, self._record, lambda: False, self._reload
        )

    async def _record(self, body: CommandBody) -> None:
        self.recorded.append(body)

    def _reload(self) -> None:
        trial = self.history.trial()
        assert trial and trial.needs_remote
        self.history.accept() if self._comes_up else self.history.fail(trial, "no broker")

    def request(self, after: str = NEW, **changes: Any) -> Request:
        before = digest(self.path.read_bytes())
        return replace(Request("test.example", 2, before, digest(after.encode())), **changes)

    async def ask(self, *messages: bytes) -> list[Result]:
        running = asyncio.create_task(self.inbox.run())
        for message in messages:
            wanted = len(self.inbox.answers) + sum(self.inbox.counters.values()) + 1
            self.inbox.offer(message)
            await until(lambda wanted=wanted: self._done() >= wanted)
        running.cancel()
        return [open_statement(raw, Result, by(GATEWAY_KEY.public))[1] for raw in self.inbox.answers]

    def _done(self) -> int:
        return len(self.inbox.answers) + sum(self.inbox.counters.values())


def message(request: Request, file: str = NEW, key: SoftwareKey = OPERATOR_KEY) -> bytes:
    return pack_request(sign(request, key), file.encode())


def test_an_operators_request_is_carried_out_logged_and_answered_and_a_replay_is_not(tmp_path: Path):
    bench = Bench(tmp_path)
    asked = message(bench.request())

    async def scenario() -> list[Result]:
        running = asyncio.create_task(bench.inbox.run())
        for count in (1, 2):
            bench.inbox.offer(asked)
            await until(lambda count=count: len(bench.inbox.answers) == count)
        running.cancel()
        return [open_statement(raw, Result, by(GATEWAY_KEY.public))[1] for raw in bench.inbox.answers]

    first, second = asyncio.run(scenario())
    assert (first.is_done, first.text) == (True, "version 2 is in force")
    assert (second.is_done, second.text) == (False, "refused: version 3 is next, not 2")
    assert bench.path.read_text() == NEW
    assert bench.inbox.counters == {"done": 1, "another number": 1}
    raw = unpack_request(asked)[0]
    assert [(body.origin, body.what, body.outcome) for body in bench.recorded] == [
        ("ann", "configuration 2", "on trial"),
        ("ann", "configuration", "version 2 is in force"),
        ("ann", "configuration", "refused: version 3 is next, not 2"),
    ]
    assert all(body.raw == raw for body in bench.recorded)


def test_a_request_that_is_repeated_for_ever_does_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    bench = Bench(tmp_path)
    by_ann, by_nobody = message(bench.request(number=1)), message(bench.request(number=1), key=STRANGER)

    async def scenario() -> None:
        running = asyncio.create_task(bench.inbox.run())
        for count in range(1, 21):
            bench.inbox.offer(by_ann if count % 2 else by_nobody)
            await until(lambda count=count: sum(bench.inbox.counters.values()) == count)
        running.cancel()

    asyncio.run(scenario())
    assert bench.inbox.counters == {"another number": 10, "not signed by a known key": 10}
    assert len(bench.recorded) == 1 and len(caplog.records) == 2


def test_an_operator_who_asks_without_end_does_not_fill_the_log_nor_do_his_old_requests(tmp_path: Path):
    bench = Bench(tmp_path)
    old = [message(bench.request(number=100 + number)) for number in range(70)]
    broken = [f"{SITE}[[sink]]\n# {number}" for number in range(70)]

    async def scenario() -> None:
        running = asyncio.create_task(bench.inbox.run())
        for count, each in enumerate([*old, *(message(bench.request(file), file=file) for file in broken)], 1):
            bench.inbox.offer(each)
            await until(lambda count=count: sum(bench.inbox.counters.values()) == count)
        running.cancel()

    asyncio.run(scenario())
    # What did not fit, which anybody may send again, kept none from being judged that did.
    assert bench.inbox.counters == {"another number": 70, "not usable": 60, "too many of one operator": 10}
    assert len(bench.recorded) == 120
    last = open_statement(bench.inbox.answers[-1], Result, by(GATEWAY_KEY.public))[1]
    assert "over 60 requests in an hour" in last.text


def test_what_does_not_come_up_is_taken_back_and_its_number_is_used(tmp_path: Path):
    bench = Bench(tmp_path, comes_up=False)

    async def scenario() -> Result:
        running = asyncio.create_task(bench.inbox.run())
        bench.inbox.offer(message(bench.request()))
        await until(lambda: bool(bench.inbox.answers))
        running.cancel()
        return open_statement(bench.inbox.answers[0], Result, by(GATEWAY_KEY.public))[1]

    result = asyncio.run(scenario())
    assert not result.is_done and "the version before is back: no broker" in result.text
    assert bench.path.read_text() == SITE
    state = open_statement(bench.inbox.state(), State, by(GATEWAY_KEY.public))[1]
    assert state == State("test.example", 3, digest(SITE.encode()))


BROKEN = SITE + "[[sink]]\n"
ANOTHER_SITE = SITE.replace("test.", "other.")


@pytest.mark.parametrize(
    ("make", "counter", "text"),
    [
        (lambda b: message(b.request(site="other.example")), "another site", "this is test.example"),
        (lambda b: message(b.request(number=1)), "another number", "version 2 is next, not 1"),
        (lambda b: message(b.request(number=3)), "another number", "version 2 is next, not 3"),
        (lambda b: message(b.request(before=bytes(32))), "another file in force", "is not the one that"),
        (lambda b: message(b.request(), file=SITE), "another file sent", "is not the one that was signed"),
        (lambda b: message(b.request(), key=STRANGER), "not signed by a known key", "not registered"),
        (lambda b: message(b.request(), key=GATEWAY_KEY), "not by an operator", "is not that of an operator"),
        (lambda b: message(b.request(BROKEN), file=BROKEN), "not usable", "sink"),
        (lambda b: message(b.request(ANOTHER_SITE), file=ANOTHER_SITE), "not usable", "another site"),
    ],
)
def test_what_is_refused_says_why_is_counted_and_changes_nothing(tmp_path: Path, make: Any, counter: str, text: str):
    bench = Bench(tmp_path)
    (result,) = asyncio.run(bench.ask(make(bench)))
    assert not result.is_done and text in result.text
    assert bench.inbox.counters == {counter: 1}
    assert bench.path.read_text() == SITE and bench.history.next_number() == 2


COSTLY = {
    "dotted key": SITE + "a" + ".a" * 20_000 + " = 1",
    "nested lists": SITE + "a = " + "[" * 20_000,
    "nested tables": SITE + "a = " + "{b = " * 8_000,
    "a whole number": SITE + "a = " + "9" * 5_000,
    "unknown keys": SITE + "".join(f"a{number} = 1\n" for number in range(4_000)),
    "a key of one run": SITE + f'"{"k" * 40_000}" = 1',
    "spaces in a text": SITE + 'a = """\n[' + " " * 40_000 + 'y\n"""',
    "escapes in a name": SITE + '[[sink]]\nname = "\\u001b[2J\\u0000"\nkind = "\\u202e"',
}


@pytest.mark.parametrize("kind", COSTLY)
def test_a_file_that_costs_too_much_is_answered_and_logged_and_the_next_request_is_done(tmp_path: Path, kind: str):
    bench = Bench(tmp_path)
    file = COSTLY[kind]
    refused, done = asyncio.run(bench.ask(message(bench.request(file), file=file), message(bench.request())))
    assert not refused.is_done and refused.text.startswith("refused: ")
    assert refused.text.replace("\n", "").isprintable()
    assert (done.is_done, done.text) == (True, "version 2 is in force")
    assert [body.outcome for body in bench.recorded] == [refused.text, "on trial", "version 2 is in force"]


def test_a_fault_of_the_gateway_is_an_answer_and_an_entry_too(tmp_path: Path):
    bench = Bench(tmp_path)
    reload, bench.inbox._reload = bench.inbox._reload, lambda: 1 // 0  # type: ignore[assignment]

    async def scenario() -> list[Result]:
        running = asyncio.create_task(bench.inbox.run())
        bench.inbox.offer(message(bench.request()))
        await until(lambda: len(bench.inbox.answers) == 1)
        bench.history.accept()
        bench.inbox._reload = reload
        bench.inbox.offer(message(bench.request(SITE, number=3), file=SITE))
        await until(lambda: len(bench.inbox.answers) == 2)
        running.cancel()
        return [open_statement(raw, Result, by(GATEWAY_KEY.public))[1] for raw in bench.inbox.answers]

    failed, done = asyncio.run(scenario())
    assert not failed.is_done and "a fault of the gateway: ZeroDivisionError" in failed.text
    assert done.is_done and bench.inbox.counters == {"failed": 1, "done": 1}
    assert ("ann", "configuration", failed.text) in [(body.origin, body.what, body.outcome) for body in bench.recorded]


def test_strangers_and_replays_keep_no_operator_from_being_heard_and_answered(tmp_path: Path):
    bench = Bench(tmp_path)
    others = [message(bench.request(number=number), key=STRANGER) for number in range(100)]
    replays = [message(bench.request(number=1))] * 100

    async def scenario() -> list[Result]:
        for each in [*others, *replays]:
            bench.inbox.offer(each)
        bench.inbox.offer(message(bench.request()))
        running = asyncio.create_task(bench.inbox.run())
        await until(lambda: bench.inbox.counters["done"] == 1 and len(bench.inbox.answers) == 3)
        for each in others:
            wanted = sum(bench.inbox.counters.values()) + 1
            bench.inbox.offer(each)
            await until(lambda wanted=wanted: sum(bench.inbox.counters.values()) == wanted)
        running.cancel()
        return [open_statement(raw, Result, by(GATEWAY_KEY.public))[1] for raw in bench.inbox.answers]

    assert [result.text for result in asyncio.run(scenario()) if result.is_done] == ["version 2 is in force"]


def test_a_log_that_fails_in_any_way_keeps_no_answer_back(tmp_path: Path):
    bench = Bench(tmp_path)

    async def fails(_body: CommandBody) -> None:
        raise RuntimeError("a fault")

    bench.inbox._record = fails
    results = asyncio.run(bench.ask(message(bench.request(number=9)), message(bench.request(number=8))))
    assert [result.is_done for result in results] == [False, False]


def test_a_flipped_bit_anywhere_is_refused(tmp_path: Path):
    bench = Bench(tmp_path)
    good = message(bench.request())

    async def scenario() -> None:
        running = asyncio.create_task(bench.inbox.run())
        for at in range(0, len(good), 3):
            bench.inbox.offer(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            await until(lambda at=at: sum(bench.inbox.counters.values()) == at // 3 + 1)
        running.cancel()

    asyncio.run(scenario())
    assert bench.path.read_text() == SITE
    assert set(bench.inbox.counters) <= {"malformed", "not signed by a known key", "another file sent"}


def test_a_key_that_was_revoked_asks_for_nothing(tmp_path: Path):
    bench = Bench(tmp_path)
    bench.keyring.take(2, KeyBody(OPERATOR_KEY.public, OPERATOR, (), REVOKED, holder="ann"))
    (result,) = asyncio.run(bench.ask(message(bench.request())))
    assert "is not that of an operator" in result.text


def test_the_file_in_force_changes_nothing_and_uses_no_number(tmp_path: Path):
    bench = Bench(tmp_path)
    (result,) = asyncio.run(bench.ask(message(bench.request(SITE), file=SITE)))
    assert (result.is_done, result.text) == (True, "nothing changes")
    assert bench.inbox.counters == {"nothing to do": 1} and bench.history.next_number() == 2


@given(st.binary(max_size=200) | st.just(bytes(MAX_MESSAGE + 1)))
def test_what_is_no_request_is_said_to_be_none(data: bytes):
    with pytest.raises(EvidenceError):
        raw, _ = unpack_request(data)
        open_statement(raw, Request, lambda *_: True)


@given(st.text(max_size=64), st.integers(0, 2**63), st.binary(min_size=32, max_size=32), st.booleans())
def test_statements_are_read_as_they_were_signed_and_as_no_other(site: str, number: int, data: bytes, yes: bool):
    for said in (Request(site, number, data, data), Result(site, data, yes, site), State(site, number, data)):
        raw = sign(said, OPERATOR_KEY)
        assert open_statement(raw, type(said), by(OPERATOR_KEY.public))[1] == said
        for kind in {Request, Result, State} - {type(said)}:
            with pytest.raises(EvidenceError):
                open_statement(raw, kind, by(OPERATOR_KEY.public))


def test_the_largest_file_fits():
    raw = sign(Request("s" * 64, 2**63, bytes(32), bytes(32)), OPERATOR_KEY)
    assert len(pack_request(raw, bytes(MAX_FILE))) <= MAX_MESSAGE
    assert unpack_request(pack_request(raw, bytes(MAX_FILE))) == (raw, bytes(MAX_FILE))


# --- the whole way, with a broker ---


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")
    with Mosquitto(tmp_path) as broker:
        yield broker


def test_push_over_a_real_broker_and_back_when_the_gateway_loses_it(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
):
    site, copy, new = tmp_path / "site.toml", tmp_path / "copy.toml", tmp_path / "new.toml"
    key_file = tmp_path / "ann.key"
    write_private(key_file, OPERATOR_SEED)
    text = SITE + f'[remote]\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n'
    site.write_text(text)
    assert main(["keys", "operator", str(site), "ann", OPERATOR_KEY.public.hex()]) == 0
    gateway = load(tmp_path / "state" / "identity.key").public.hex()

    async def push(before: str, after: str, key: Path = key_file) -> tuple[int, str]:
        copy.write_text(before)
        new.write_text(after)
        words = ["config", "push", str(copy), str(new), "--broker", f"mqtt://127.0.0.1:{mosquitto.port}"]
        words += ["--key", str(key), "--gateway", gateway]
        capsys.readouterr()
        status = await asyncio.to_thread(main, words)
        told = capsys.readouterr()
        return status, told.out + told.err

    async def scenario() -> None:
        probation = Probation(within_s=2.0, settle_s=0.2)
        running = asyncio.create_task(keep_running(site, SystemClock(), NOBODY, probation))
        # Retained: whoever subscribes gets it again and again, and goes on.
        giant = await asyncio.to_thread(RawPublisher, mosquitto.port)
        await asyncio.to_thread(giant.publish, b"wayside/test.example/configuration/request", 2_000_000, True)
        giant.close()
        try:
            better = text + '[[sink]]\nname = "city"\nkind = "mqtt-json"\nurl = "mqtt://127.0.0.1:1"\n'
            assert await push(text, better) == (0, "version 2 is in force\n")
            assert site.read_text() == better
            # The address of its broker is wrong: nobody would reach it any more.
            status, told = await push(better, better.replace(f":{mosquitto.port}", ":2"))
            assert status == 1 and "version 3 did not come up, the version before is back" in told
            assert "the operator would not reach it any more" in told and site.read_text() == better
            status, told = await push(better, SITE)
            assert status == 1 and "there is no [remote]" in told and site.read_text() == better
            stranger = tmp_path / "stranger.key"
            write_private(stranger, STRANGER_SEED)
            status, told = await push(better, text, stranger)
            assert status == 1 and "not registered" in told
            status, told = await push(text, better)
            assert status == 2 and "has another site file in force" in told
            assert await push(better, text) == (0, "version 5 is in force\n")
            assert await asyncio.to_thread(main, ["status", str(site)]) == 0
            status = capsys.readouterr().out
            assert "remote: connected" in status and " too large" in status
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    bodies = [decode_entry(record.entry).body for record in log.records(0, log.size)]
    log.close()
    said = Counter(body.what for body in bodies if isinstance(body, CommandBody))
    assert said == {"configuration 2": 1, "configuration 3": 1, "configuration 4": 1, "configuration 5": 1} | {
        "configuration": 4
    }
