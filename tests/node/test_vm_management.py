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
from wayside_node.seal import strip
from wayside_wire import cbor, command, link, selftest
from wayside_wire.pack import key_id

PUBLIC = KEY.public

Ask = Callable[..., Awaitable[link.CommandAnswer]]


def asker(b: Bench, number: int = 0) -> Ask:
    """ask(verb, *arguments): the node's answer to a command with the next number after `number`."""

    async def ask(verb: str, *arguments: object) -> link.CommandAnswer:
        nonlocal number
        number += 1
        wanted = command.Command(key_id(b.gateway.public), number, verb, list(arguments))
        b.gateway.send(link.CommandMessage(command.sign_command(wanted, key_id(PUBLIC), KEY.sign)))

        def answers() -> list[link.CommandAnswer]:
            return [each for each in b.gateway.others if isinstance(each, link.CommandAnswer) and each.number == number]

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


async def selftest_of(b: Bench, ask: Ask) -> dict[str, selftest.SelfTestCheck]:
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
    return isinstance(message, link.CountersMessage) and command.ON_TRIAL in message.counts


async def write(ask: Ask, new: bytes) -> None:
    """Put a configuration onto the node and in force."""
    for start in range(0, len(new), command.PIECE):
        assert (await ask(command.CONFIG_WRITE, start, new[start : start + command.PIECE])).status == command.OK
    assert (await ask(command.CONFIG_USE, len(new), hashlib.sha256(new).digest())).status == command.OK


def test_takes_a_new_configuration_and_starts_again_with_it(micropython: Path, tmp_path: Path) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        path = tmp_path / "node.json"
        size, digest, piece = cbor.decode((await ask(command.CONFIG_READ, 0)).data)
        whole = strip(path.read_bytes())
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

        def last() -> link.CountersMessage:
            return [each for each in b.gateway.others if isinstance(each, link.CountersMessage)][-1]

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
    ("change", "starts", "why"),
    [
        ({"link": {"port": "/dev/wayside-none"}}, 3, "task link: OSError: "),  # never reaches its gateway
        ({"trial_ms": 1000}, 1, "the gateway commanded nothing"),  # reaches it
        ({"link": {"mqtt": "mqtts://broker", "topic": "w/n", "ca": "/etc/passwd"}}, 3, "link.ca: "),  # does not start
    ],
)
def test_goes_back_to_the_configuration_before_by_itself(
    micropython: Path, tmp_path: Path, change: dict[str, object], starts: int, why: str
) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        await write(ask, json.dumps(json.loads((tmp_path / "node.json").read_bytes()) | change).encode())
        assert (await ask(command.REBOOT)).status == command.OK
        assert await node.ended() == 3
        for _ in range(starts):
            await node.start()
            assert await node.ended() == 3, "it starts again by itself"
        before = len(b.gateway.order)
        await node.start()
        await until(lambda: len(b.gateway.order) > before, "a pack with the configuration before")
        lines = await log_lines(ask)
        assert any(why in line for line in lines) and any("is back" in line for line in lines), lines

    on_bench(micropython, tmp_path, test)


def test_more_meters_than_its_memory_holds_are_taken_back(micropython: Path, tmp_path: Path) -> None:
    """Accepted, and then nothing runs long enough to be of use: not even what would go back."""

    async def test(b: Bench, node: Node, ask: Ask) -> None:
        config = json.loads((tmp_path / "node.json").read_bytes())
        (meter,) = config["meters"]
        meters = [meter | {"device": f"m{unit}", "unit": unit} for unit in range(1, 40)]
        await write(ask, json.dumps(config | {"meters": meters}, separators=(",", ":")).encode())
        assert (await ask(command.REBOOT)).status == command.OK
        assert await node.ended() == 3
        node.heap("450k")
        for _ in range(3):
            await node.start()
            assert await node.ended() == 3
        before = len(b.gateway.order)
        await node.start()
        await until(lambda: len(b.gateway.order) > before, "a pack with the configuration before")
        lines = await log_lines(ask)
        assert "the configuration before is back" in lines[-1], lines
        assert sum("the new configuration: " in line for line in lines) == 3, lines

    on_bench(micropython, tmp_path, test)


def test_what_would_lock_the_gateway_out_is_refused(micropython: Path, tmp_path: Path) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        config = json.loads((tmp_path / "node.json").read_bytes())
        for change in ({"gateway": "22" * 32}, {"state": str(tmp_path / "elsewhere")}):
            new = json.dumps(config | change).encode()
            for start in range(0, len(new), command.PIECE):
                await ask(command.CONFIG_WRITE, start, new[start : start + command.PIECE])
            answer = await ask(command.CONFIG_USE, len(new), hashlib.sha256(new).digest())
            assert answer.status == command.FAILED and b"cannot be changed from afar" in answer.data
        assert json.loads((tmp_path / "node.json").read_bytes()) == config

    on_bench(micropython, tmp_path, test)


def test_no_number_in_a_command_costs_the_node_anything(micropython: Path, tmp_path: Path) -> None:
    async def test(b: Bench, node: Node, ask: Ask) -> None:
        for size in (0, 1, 2**30, 2**31, 2**32, 2**62, 2**63, 2**64 - 1):
            for verb in (command.LOG, command.CONFIG_READ, command.CONFIG_WRITE, command.CONFIG_USE):
                answer = await ask(verb, *[(size, bytes(32))[kind] for kind in command.VERBS[verb]])
                assert answer.status in (command.OK, command.FAILED)
        counts = cbor.decode((await ask(command.COUNTERS)).data)
        assert not [name for name in counts if name.startswith("restarts")], counts
        assert "task " not in node.said

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
