"""`wayside receive` as a person or a script runs it: a process of its own against a real broker."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest
from north.mosquitto import Mosquitto
from north.site import Site
from north.test_mqtt import forwarder
from waiting import running, until
from wayside.evidence.note import ED25519, NoteKey
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.trust.keys import SoftwareKey


async def command(*words: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wayside", "receive", *words, stdout=PIPE, stderr=PIPE
    )


async def output(process: Process) -> tuple[str, str, int | None]:
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    return out.decode(), error.decode(), process.returncode


async def received(site: Site, port: int, *words: str, stop: signal.Signals | None = signal.SIGINT) -> tuple[str, int]:
    """Output and exit status of a receiver that saw ten packs of the site."""
    process = await command("--broker", f"mqtt://127.0.0.1:{port}", *words)
    assert process.stdout is not None
    lines: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            lines.append(line.decode())

    reading = asyncio.create_task(read())
    async with running(forwarder(site, port).run()):
        # Until the first line is here the receiver may not have subscribed yet.
        while not lines:
            site.packs(1)
            await asyncio.sleep(0.05)
        site.packs(10)
        await until(lambda: sum("meter-1" in line for line in lines) >= 10)
    if stop:
        process.send_signal(stop)
    async with asyncio.timeout(60):
        await reading
        status = await process.wait()
    return "".join(lines), status


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_verifies_prints_and_ends_with_the_account(
    shared_mosquitto: Mosquitto, tmp_path: Path, stop: signal.Signals
) -> None:
    site = Site(tmp_path)
    keys = ["--key", str(site.key), "--device-key", f"meter-1={site.device.key.public.hex()}"]
    text, status = asyncio.run(received(site, shared_mosquitto.port, *keys, stop=stop))
    assert "meter-1 0/" in text
    assert "[yes] voltage_l1 230." in text
    assert text.rstrip().endswith("Verdict: everything verified, nothing missing.")
    assert status == 0


def test_a_wrong_key_verifies_nothing_and_the_exit_status_says_so(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> tuple[str, str, int | None]:
        site = Site(tmp_path)
        other = NoteKey(site.origin, ED25519, SoftwareKey(b"\7" * 32).public)
        broker = f"mqtt://127.0.0.1:{shared_mosquitto.port}"
        process = await command("--broker", broker, "--key", str(other), "--seconds", "3")
        async with running(forwarder(site, shared_mosquitto.port).run()):
            done = asyncio.create_task(output(process))
            while not done.done():
                site.packs(1)
                await asyncio.sleep(0.05)
        return await done

    text, _, status = asyncio.run(scenario())
    assert "no signature by" in text
    assert "Verdict: NOT all right" in text
    assert status == 1


def test_rubbish_on_the_topic_is_counted_and_harms_nothing(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> tuple[str, int]:
        site = Site(tmp_path)

        async def throw() -> None:
            async with MqttSession(Broker("127.0.0.1", shared_mosquitto.port), "") as session:
                while True:
                    for payload in (b"", b"\x00", b"rubbish" * 1000, b"\x9f" * 50):
                        await session.publish(f"wayside/{site.origin}", payload)
                    await asyncio.sleep(0.05)

        async with running(throw()):
            return await received(site, shared_mosquitto.port, "--key", str(site.key))

    text, status = asyncio.run(scenario())
    assert "[log only] voltage_l1" in text
    assert "not verified" in text
    assert "Traceback" not in text
    assert status == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--broker", "http://x", "--key", "k"], "write \"mqtt://HOST:PORT\""),
        (["--broker", "mqtt://x", "--key", "k"], "a verifier key is NAME+KEYID+BASE64"),
        (["--broker", "mqtt://x", "--key", "KEY", "--device-key", "m=12"], "write DEVICE=HEX"),
        (["--broker", "mqtt://x", "--key", "KEY", "--password-file", "/nowhere/p"], "/nowhere/p"),
        (["--broker", "mqtt://x"], "--key"),
    ],
)
def test_wrong_usage_is_explained(words: list[str], message: str) -> None:
    key = str(NoteKey("test.example/log/0", ED25519, SoftwareKey(bytes(32)).public))

    async def scenario() -> tuple[str, str, int | None]:
        return await output(await command(*(key if word == "KEY" else word for word in words)))

    text, error, status = asyncio.run(scenario())
    assert message in error
    assert "Traceback" not in error + text
    assert status == 2


def test_no_broker_means_nothing_arrived() -> None:
    key = str(NoteKey("test.example/log/0", ED25519, SoftwareKey(bytes(32)).public))

    async def scenario() -> tuple[str, str, int | None]:
        return await output(await command("--broker", "mqtt://127.0.0.1:9", "--key", key, "--seconds", "0.5"))

    text, error, status = asyncio.run(scenario())
    assert text.rstrip().endswith("Verdict: nothing arrived.")
    assert "Connection refused" in error
    assert status == 1
