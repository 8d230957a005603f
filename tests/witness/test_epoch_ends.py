"""A witness knows more of an epoch than the log while the gateway runs: the epoch ends, and nothing of it is lost."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from waiting import PATIENCE_S, free_port, until, wait_until
from wayside.cli import main
from wayside.daemon.daemon import Daemon
from wayside.daemon.service import _next_patience_s
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import GATEWAY_ATTESTED, EpochBody, PackBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.kinds.backlog import Backlog
from wayside.kinds.cosigning import Cosigning
from wayside.lab.embedded import embedded_broker
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.log import Log, LogError, LogReader
from wayside.north.forward import Forwarder
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.trust.keys import SoftwareKey, load_or_create
from wayside.witness.client import WitnessClient
from wayside_wire.pack import open_pack
from witness.setting import WITNESS_KEY, GrowingLog, new_witness, real_now_s, serving

SITE = "test.example"
METER = """
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{meter}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 20
report_ms = 20
channels = ["voltage_l1"]
"""
SINK = """
[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://127.0.0.1:{broker}"
"""


class Place:
    """A site's folder, its log key, and a witness that can be there or not."""

    def __init__(self, folder: Path):
        (folder / "state").mkdir()
        self.path = folder / "site.toml"
        self.log = folder / "state" / "log"
        self.key = load_or_create(folder / "state" / "log.key")
        self.port = free_port()
        self._witness = new_witness(folder, NoteKey(f"{SITE}/log/0", ED25519, self.key.public), now_s=real_now_s)

    def write(self, more: str = "") -> None:
        witness = f'[[witness]]\nname = "w"\nurl = "http://127.0.0.1:{self.port}"\nvkey = "{WITNESS_KEY}"\n'
        self.path.write_text(f'[site]\nname = "{SITE}"\n[log]\ncosign_s = 1\ncommit_ms = 1\n{witness}{more}')

    @contextmanager
    def witness(self) -> Iterator[None]:
        with serving(self._witness, self.port):
            yield

    def another_signs(self, size: int) -> None:
        """Somebody else with the log's key has shown the witness a history of epoch 0 of his own."""
        with self.witness():
            log = GrowingLog(f"{SITE}/log/0", self.key).grow(size)
            WitnessClient(f"http://127.0.0.1:{self.port}", WITNESS_KEY).cosign(log)

    def held(self) -> bytes:
        """What the witness shows of the site."""
        return self._witness.checkpoint(SITE).body.encode()

    def origin(self) -> str:
        """Of the newest epoch that has signed something."""
        try:
            log = LogReader(self.log)
        except LogError:  # an epoch that is just beginning
            return ""
        log.close()
        return log.origin

    def own_packs(self, epoch: int) -> dict[tuple[int, int], bytes]:
        """Gateway-attested packs by (boot, sequence)."""
        log = LogReader(self.log, epoch=epoch)
        found: dict[tuple[int, int], bytes] = {}
        for record in log.records(0, log.size):
            body = decode_entry(record.entry).body
            if isinstance(body, PackBody) and body.attested == GATEWAY_ATTESTED:
                pack, _ = open_pack(body.raw, lambda *_: True)
                assert (pack.boot, pack.sequence) not in found
                found[pack.boot, pack.sequence] = body.raw
        log.close()
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def run_until(place: Place, condition: Callable[[Daemon], bool], patience_s: float = 0.0) -> bool:
    """Run a gateway until the condition holds or it ends by itself; whether it did the latter."""
    daemon = Daemon(config.load(place.path), place.path, SystemClock(), patience_s)
    task = asyncio.create_task(daemon.run())
    async with asyncio.timeout(60):
        await asyncio.sleep(0.01)  # a task that is cancelled before it began would not close the log
        while not (task.done() or condition(daemon)):
            await asyncio.sleep(0.01)
    ended = task.done() and not task.cancelled()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # Nobody waits for a witness when the gateway ends; but here it would hear of a log that is to be unknown to it.
    await until(lambda: "wayside-witness" not in {thread.name for thread in threading.enumerate()})
    return ended


def cosigned(size: int, daemon: Daemon) -> bool:
    return any(each.size > size for each in daemon.parts.of(Cosigning))


def never(daemon: Daemon) -> bool:
    return False


def test_what_an_ended_epoch_owes_is_forwarded_after_it(place: Place):
    """No broker during epoch 0; another signs with its key; epoch 1 brings the broker what both epochs hold."""

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as meter:
            place.write(METER.format(meter=meter) + SINK.format(broker=free_port()))
            await run_until(place, lambda daemon: daemon.committer.size > 40)
            place.another_signs(9999)
            log = LogReader(place.log)
            owed = log.size
            log.close()
            async with embedded_broker() as broker:
                place.write(METER.format(meter=meter) + SINK.format(broker=broker.port))
                account = SiteAccount(NoteKey(f"{SITE}/log/0", ED25519, place.key.public), DeviceKeys())
                receiver = SiteReceiver(broker, SITE, account)
                receiving = asyncio.create_task(receiver.run())
                await receiver.ready.wait()

                def arrived(daemon: Daemon) -> bool:
                    logs = account.logs
                    done = all(f"{SITE}/log/{epoch}" in logs for epoch in (0, 1)) and not account.outstanding()
                    return done and not daemon.parts.of(Backlog)[0].lag

                with place.witness():
                    assert not await run_until(place, arrived), "it began the next epoch at its start"
                receiving.cancel()
            assert account.logs[f"{SITE}/log/0"].size == owed
            assert not account.not_verified and not account.outstanding() and not account.duplicates
            log = LogReader(place.log, epoch=0)
            assert log.cursor("city") == owed, "it is not sent again at the next start"
            log.close()

    asyncio.run(scenario())


def test_a_running_gateway_ends_its_epoch_and_the_next_start_begins_another(place: Place):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as meter:
            place.write(METER.format(meter=meter))
            await run_until(place, lambda daemon: daemon.committer.size > 5)
            place.another_signs(9999)
            gateway = asyncio.create_task(run_until(place, never))  # starts without a network
            await asyncio.sleep(0)
            with place.witness():
                assert await gateway, "it ended by itself"
                assert place.origin() == f"{SITE}/log/0"
                await run_until(place, lambda daemon: daemon.committer.size > 5)
        log = LogReader(place.log)
        first = decode_entry(log.records(0, 1)[0].entry).body
        assert log.origin == f"{SITE}/log/1" and isinstance(first, EpochBody)
        assert first.before == f"{SITE}/log/0"
        assert first.cause == "a witness has co-signed 9999 entries that are not these"
        log.close()

    asyncio.run(scenario())


def test_an_ended_epoch_is_shown_and_exported(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """With the cosignatures that it had, and judged by the same key."""
    place.write()
    with place.witness():
        asyncio.run(run_until(place, partial(cosigned, 0)))
        shutil.copytree(place.log, tmp_path / "copy")
        place.write("# another configuration is another entry\n")
        asyncio.run(run_until(place, partial(cosigned, 0)))
        shutil.rmtree(place.log)
        shutil.copytree(tmp_path / "copy", place.log)
        asyncio.run(run_until(place, lambda daemon: daemon.committer.size > 0))
    assert place.origin() == f"{SITE}/log/1"
    assert main(["log", str(place.path), "--epoch", "0", "--check"]) == 0
    assert f"log    {SITE}/log/0" in capsys.readouterr().out
    evidence = str(tmp_path / "evidence")
    for more in ([], ["--cosigned"], ["--cosigned", "1"]):
        assert main(["export", str(place.path), evidence, "--epoch", "0", *more]) == 0
        assert main(["verify", evidence, "--key", str(NoteKey(f"{SITE}/log/0", ED25519, place.key.public))]) == 0
        told = capsys.readouterr().out
        assert f"{SITE}/log/0" in told
    assert main(["export", str(place.path), evidence, "--epoch", "0", "--cosigned", "2"]) == 2
    assert "2 witnesses have not co-signed" in capsys.readouterr().err
    assert main(["export", str(place.path), evidence, "--epoch", "7"]) == 2
    assert main(["log", str(place.path), "--epoch", "7"]) == 2


def test_a_gateway_that_is_to_be_patient_goes_on_for_a_while(place: Place):
    async def scenario() -> None:
        place.write()
        await run_until(place, lambda daemon: daemon.committer.size > 0)
        place.another_signs(9999)

        def asked(daemon: Daemon) -> bool:
            [cosigning] = daemon.parts.of(Cosigning)
            return "9999" in cosigning.standings[WITNESS_KEY.name].error

        gateway = asyncio.create_task(run_until(place, asked, patience_s=3600))
        await asyncio.sleep(0)
        with place.witness():
            assert not await gateway
        assert place.origin() == f"{SITE}/log/0"

    asyncio.run(scenario())


def test_patience_grows_and_comes_back():
    waits, patience_s = [], 0.0
    for _ in range(9):
        patience_s = _next_patience_s(patience_s, ran_s=patience_s)
        waits.append(patience_s)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert _next_patience_s(3600, ran_s=86_400) == 60


def test_the_command_starts_itself_again(place: Place, tmp_path: Path):
    """One process: restored from a copy, begun without a network, and then the witness is back."""
    place.write()
    asyncio.run(run_until(place, lambda daemon: daemon.committer.size > 0))
    place.another_signs(50)
    with subprocess.Popen([sys.executable, "-m", "wayside", "run", place.path], stderr=subprocess.PIPE) as gateway:
        assert gateway.stderr
        try:
            assert "cannot be reached" in next(line for line in lines(gateway) if "witness" in line)
            with place.witness():
                wait_until(lambda: place.origin() == f"{SITE}/log/1" or gateway.poll() is not None, "the new epoch")
                assert gateway.poll() is None
        finally:
            os.kill(gateway.pid, signal.SIGTERM)
        assert gateway.wait(PATIENCE_S) == 0


def lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    assert process.stderr
    for line in process.stderr:
        yield line.decode()


def test_a_restored_card_uses_no_boot_number_again(place: Place, tmp_path: Path):
    """What the gateway signed before it was restored, after it without a network, and in the next epoch."""

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as meter:
            place.write(METER.format(meter=meter))
            await run_until(place, lambda daemon: daemon.committer.size > 10)
            shutil.copytree(place.log, tmp_path / "copy")
            copied = place.own_packs(0)
            with place.witness():
                for count in (20, 30, 40):
                    await run_until(place, partial(cosigned, count))
            lost = place.own_packs(0)
            shutil.rmtree(place.log)
            shutil.copytree(tmp_path / "copy", place.log)
            size = len(copied) + 30
            await run_until(place, lambda daemon: daemon.committer.size > size)
            forked = place.own_packs(0)
            with place.witness():
                await run_until(place, lambda daemon: daemon.committer.size > 10)
            assert place.origin() == f"{SITE}/log/1"
            again = place.own_packs(1)
            assert len(lost) > len(copied) < len(forked) and again
            everything = [lost, forked, again]
            for at, one in enumerate(everything):
                for other in everything[at + 1 :]:
                    assert one.keys() & other.keys() <= copied.keys()

    asyncio.run(scenario())


def test_a_witness_that_shows_nothing_of_ours_changes_nothing_at_a_start(tmp_path: Path):
    key, thief = SoftwareKey(bytes(32)), SoftwareKey(b"t" * 32)
    forged = [GrowingLog(f"{SITE}/log/{epoch}", thief).grow(7).checkpoint for epoch in (0, 1, 2**31 - 1)]
    of_another = GrowingLog("other.example/log/0", key).grow(7).checkpoint
    far = GrowingLog(f"{SITE}/log/{2**31 - 1}", key).grow(7).checkpoint
    shown = [b"", b"junk", bytes(70_000), of_another, far, *forged]
    log = Log(tmp_path, SITE, key.public, key.sign, lambda: (0, 2), witnessed=lambda site: shown)
    assert (log.origin, log.found) == (f"{SITE}/log/0", "")
    log.close()


def test_an_ended_epoch_that_cannot_be_read_is_named_and_holds_nothing_up(place: Place):
    async def scenario() -> None:
        async with embedded_broker() as broker:
            place.write(SINK.format(broker=broker.port))
            await run_until(place, lambda daemon: daemon.committer.size > 0)
            (place.log / "epoch-0.sqlite").write_bytes(b"no database" * 1000)
            found: dict[int, str] = {}

            def told(daemon: Daemon) -> bool:
                found.update(daemon.parts.of(Backlog)[0].lost)
                return bool(found) and not daemon.parts.of(Forwarder)[0].lag(daemon.committer.size)

            await run_until(place, told)
            assert list(found) == [0] and "no log can be read" in found[0]

    asyncio.run(scenario())
    with pytest.raises(LogError):
        LogReader(place.log, epoch=0)
