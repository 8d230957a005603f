"""The gateway's commands to the node application in the real VM."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from bench_vm import KEY, Bench, Node, bench
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from waiting import until
from wayside.evidence.ed25519 import verifies
from wayside_wire import cbor, command, link, selftest
from wayside_wire.pack import key_id

PUBLIC = KEY.public

Ask = Callable[..., Awaitable[link.Answer]]


def asker(b: Bench, number: int = 0) -> Ask:
    """ask(verb, *arguments): the node's answer to a command with the next number after `number`."""

    async def ask(verb: str, *arguments: object) -> link.Answer:
        nonlocal number
        number += 1
        wanted = command.Command(key_id(b.gateway.public), number, verb, list(arguments))
        b.gateway.send(link.CommandMessage(command.sign_command(wanted, key_id(PUBLIC), KEY.sign)))

        def answers() -> list[link.Answer]:
            return [each for each in b.gateway.others if isinstance(each, link.Answer) and each.number == number]

        await until(answers, f"the answer to {verb}")
        return answers()[0]

    return ask


def on_bench(micropython: Path, folder: Path, test: Callable[[Bench, Node, Ask], Awaitable[None]]) -> None:
    async def main() -> None:
        async with bench(micropython, folder) as b:
            node = await b.node(gateway=PUBLIC.hex())
            await node.start()
            await b.packs(2)
            await test(b, node, asker(b))
            await node.kill()
            b.gateway.check_chain()

    asyncio.run(main())


def test_says_what_it_is_and_how_it_does(micropython: Path, tmp_path: Path) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        info = cbor.decode((await ask(command.INFO)).data)
        assert (info[0], info[1], info[3]) == ("node-1", "UNIX", 1)
        counts = cbor.decode((await ask(command.COUNTERS)).data)
        assert counts["packs sent"] >= 2 and counts["commands done"] >= 1
        first, following, lines = cbor.decode((await ask(command.LOG, 0)).data)
        assert (first, following) == (0, 1) and "identified: serial number" in lines[0]
        raw = cbor.decode((await ask(command.SELFTEST)).data)
        report, _ = selftest.open_report(
            raw, lambda _kid, signed, signature: verifies(b.gateway.public, signed, signature)
        )
        assert [check.name for check in report.checks] == ["memory", "flash", "clock", "signature", "meter-1"]
        assert all(check.good for check in report.checks), report.checks
        assert report.checks[-1].text.startswith("3 of 3 good; voltage_l1 2")

    on_bench(micropython, tmp_path, test)


async def selftest_of(b: Bench, ask: Ask) -> dict[str, selftest.Check]:
    raw = cbor.decode((await ask(command.SELFTEST)).data)
    report, _ = selftest.open_report(raw, lambda _kid, signed, signature: verifies(b.gateway.public, signed, signature))
    return {check.name: check for check in report.checks}


def test_the_selftest_asks_now_and_says_what_it_saw(micropython: Path, tmp_path: Path) -> None:
    """Polls are an hour apart: what the last one read is worth nothing when the meter is gone since."""

    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node(poll_ms=3_600_000, report_ms=3_600_000)
            await node.start()
            await until(lambda: b.gateway.abouts != [], "a session")
            seen = (await selftest_of(b, asker(b)))["meter-1"]
            volts = float(seen.text.split("voltage_l1 ")[1].split()[0])
            assert seen.good and abs(volts - b.meter.phases[0].voltage_mv / 1000) < 10, seen
            b.mute = True
            ask = asker(b, 1)
            assert (await selftest_of(b, ask))["meter-1"] == ("meter-1", False, "0 of 3 good: timeout")
            await b.unplug_meter()
            assert not (gone := (await selftest_of(b, ask))["meter-1"]).good and "its port fails" in gone.text
            await node.kill()

    asyncio.run(main())


def on_trial(message: object) -> bool:
    return isinstance(message, link.Counters) and command.ON_TRIAL in message.counts


async def write(ask: Ask, new: bytes) -> None:
    """Put a configuration onto the node and in force."""
    for start in range(0, len(new), command.PIECE):
        assert (await ask(command.CONFIG_WRITE, start, new[start : start + command.PIECE])).status == command.OK
    assert (await ask(command.CONFIG_USE, len(new), hashlib.sha256(new).digest())).status == command.OK


def test_takes_a_new_configuration_and_starts_again_with_it(micropython: Path, tmp_path: Path) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        path = tmp_path / "node.json"
        size, digest, piece = cbor.decode((await ask(command.CONFIG_READ, 0)).data)
        whole = path.read_bytes()
        assert (size, digest, piece) == (len(whole), hashlib.sha256(whole).digest(), whole[: command.PIECE])
        new = json.dumps(json.loads(whole) | {"node": "node-2"}).encode()
        assert (await ask(command.CONFIG_USE, len(new), bytes(32))).status == command.FAILED
        await write(ask, new)
        assert path.with_name("node.json.trial").exists()
        assert (await ask(command.REBOOT)).status == command.OK
        assert await node.ended() == 3
        await node.start()
        await until(lambda: any(boot == 2 for boot, _ in b.gateway.order), "a pack of the next boot")
        await until(lambda: any(on_trial(each) for each in b.gateway.others), "it asks for a command")
        assert path.with_name("node.json.trial").exists(), "that the gateway is heard does not count"
        assert cbor.decode((await ask(command.INFO)).data)[0] == "node-2"
        await until(lambda: not path.with_name("node.json.trial").exists(), "the configuration is kept")

        def last() -> link.Counters:
            return [each for each in b.gateway.others if isinstance(each, link.Counters)][-1]

        await until(lambda: not on_trial(last()), "it asks no more")

    on_bench(micropython, tmp_path, test)


async def log_lines(ask: Ask) -> list[str]:
    """All that the node's log still has; an answer holds only so many of them."""
    found: list[str] = []
    number, end = 0, 1
    while number < end:
        first, end, lines = cbor.decode((await ask(command.LOG, number)).data)
        found += lines
        number = first + max(1, len(lines))
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"link": {"port": "/dev/wayside-none"}, "trial_ms": 1000},  # never reaches its gateway
        {"trial_ms": 1000},  # reaches it, but is commanded nothing
        {"link": {"mqtt": "mqtts://127.0.0.1:1", "topic": "t", "ca": "none.der"}},  # does not start at all
    ],
)
def test_goes_back_to_the_configuration_before_when_the_gateway_does_not_command(
    micropython: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        await write(ask, json.dumps(json.loads((tmp_path / "node.json").read_bytes()) | change).encode())
        assert (await ask(command.REBOOT)).status == command.OK
        assert await node.ended() == 3
        await node.start()
        assert await node.ended() == 3, "it takes it back and starts again by itself"
        before = len(b.gateway.order)
        await node.start()
        await until(lambda: len(b.gateway.order) > before, "a pack with the configuration before")
        lines = await log_lines(ask)
        assert any("the gateway commanded nothing" in line for line in lines), lines

    on_bench(micropython, tmp_path, test)


def test_a_stranger_commands_nothing(micropython: Path, tmp_path: Path) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        other = Ed25519PrivateKey.generate()
        wanted = command.Command(key_id(b.gateway.public), 1 << 40, command.REBOOT, [])
        for kid in (key_id(PUBLIC), key_id(other.public_key().public_bytes_raw())):
            b.gateway.send(link.CommandMessage(command.sign_command(wanted, kid, other.sign)))
            await until(lambda: any(each.status == command.REFUSED for each in b.gateway.others), "a refusal")
            b.gateway.others.clear()
        assert (await ask(command.INFO)).status == command.OK

    on_bench(micropython, tmp_path, test)
