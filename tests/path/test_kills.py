"""kill -9 at random moments, of the gateway and of the node: every acknowledged pack is in the log exactly once.

The whole path runs as `wayside demo` runs it, at higher rates. A tap on the cable notes what the gateway acknowledged.
200 kills in `make campaigns`, 20 in `make test`; WAYSIDE_KILLS sets how many, WAYSIDE_SEED the random choices.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from waiting import PATIENCE_S
from wayside.evidence.bundle import read_bundle, write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.finding import lines
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.verify import verify_bundle
from wayside.lab import demo
from wayside.lab.embedded import embedded_broker
from wayside.log import LogReader
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside.trust.keys import load_or_create
from wayside_wire import WireError, frame, link

KILLS = int(os.environ.get("WAYSIDE_KILLS", "0"))
SEED = int(os.environ.get("WAYSIDE_SEED", "2026"))
RATES = demo.Rates(poll_ms=100, report_ms=200, baud=115_200)
AWAKE_S = (0.05, 0.9)  # how long a process lives before the next kill, give or take its start


class Tap:
    """The acknowledgements that went over the cable, whole ones only."""

    def __init__(self) -> None:
        self.acknowledged: set[tuple[str, int, int, bytes]] = set()
        self._decoder = frame.FrameDecoder()

    def hear(self, data: bytes) -> None:
        for message in self._decoder.feed(data):
            try:
                decoded = link.decode(message)
            except WireError:
                continue
            if isinstance(decoded, link.Sealed):
                decoded = link.decode(decoded.message)
            if isinstance(decoded, link.Ack):
                self.acknowledged.add(tuple(decoded))


async def grows(tap: Tap, processes: list[demo.Process]) -> None:
    """Wait until something more is acknowledged: the path has come back to life."""
    before = len(tap.acknowledged)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(tap.acknowledged) == before:
                await asyncio.sleep(0.05)
    except TimeoutError:
        words = "\n".join(f"{each.name}: {each.last_words()}" for each in processes)
        raise AssertionError(f"nothing more is acknowledged:\n{words}") from None


async def scenario(folder: Path, machine: Path, kills: int) -> tuple[SiteAccount, Tap]:
    chance = random.Random(SEED)
    tap = Tap()
    (folder / "state").mkdir()
    key = NoteKey(f"{demo.SITE}/log/0", ED25519, load_or_create(folder / "state" / "log.key").public)
    account = SiteAccount(key, DeviceKeys({}))
    async with embedded_broker() as broker, demo.plant(1, broker, RATES, tap.hear) as found:
        node = demo.node_process(folder, machine, found)
        gateway = demo.gateway_process(folder, found, await demo.node_public_key(node))
        processes = [gateway, node]
        receiver = SiteReceiver(broker, demo.SITE, account)
        receiving = asyncio.create_task(receiver.run())
        await receiver.ready.wait()
        try:
            for process in processes:
                await process.start()
            await grows(tap, processes)
            for count in range(1, kills + 1):
                await asyncio.sleep(chance.uniform(*AWAKE_S))
                victim = chance.choice(processes)
                victim.kill()
                assert await victim.ended() == -9
                await victim.start()
                if count % 20 == 0:
                    await grows(tap, processes)
            await grows(tap, processes)
        finally:
            await node.stop()
            status = await gateway.stop()
        assert status == 0
        await demo.caught_up(account, folder / "state" / "log")
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
    return account, tap


@pytest.mark.campaign(minutes=3)
def test_kills_lose_and_double_nothing(
    tmp_path: Path, micropython: Path, monkeypatch: pytest.MonkeyPatch, share: Callable[[int, int], int]
):
    kills = KILLS or share(20, 200)
    monkeypatch.setenv("WAYSIDE_MICROPYTHON", str(micropython))
    account, tap = asyncio.run(scenario(tmp_path, micropython, kills))

    log = LogReader(tmp_path / "state" / "log")
    assert log.origin.endswith("/log/0"), "no epoch ended: nothing signed was ever lost"
    log.check(0, log.size)
    [chain] = [each for each in log.chain_heads() if each.device == demo.NODE_METER]
    lost = [place for place in tap.acknowledged if log.find_pack(chain, *place[1:3]) != place[3]]
    assert not lost, f"acknowledged, but not in the log: {lost[:5]}"
    assert not account.problems() and account.duplicates == 0, account.problems()
    assert account.logs[log.origin].size == log.size and account.entries == log.size
    assert not account.named_losses(), "a kill loses no pack either, so the log names no loss"

    write_bundle(tmp_path / "evidence.wayside", log)
    key = NoteKey(log.origin, ED25519, load_or_create(tmp_path / "state" / "log.key").public)
    holds, findings = verify_bundle(read_bundle(tmp_path / "evidence.wayside"), Trust.in_key(key))
    assert holds, "\n".join(lines(findings))
    boots = max(place[1] for place in tap.acknowledged)
    print(
        f"{kills} kills, {boots} node boots,"
        f" {len(tap.acknowledged)} packs acknowledged, {account.packs} logged, {account.redelivered} redelivered",
        file=sys.stderr,
    )
