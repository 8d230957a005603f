"""The exit status of `wayside receive`, and the proof that it writes: a process of its own against a real broker."""

import asyncio
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence.site_log import START_MS
from north.mosquitto import PROGRAM, Mosquitto
from receiver.evidence import DEVICE, KEY, NODE, ORIGIN, batch, good
from waiting import running
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.fraud_batches import prove_batch_fraud, read_batch_fraud
from wayside.evidence.kinds import ConfigurationBody
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.north.mqtt import log_topic

GOOD = good(5)
LIAR = good(5)
LIAR.add_raw("gateway", encode_unplaced(START_MS, 2, ConfigurationBody(bytes(32))), 4)


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


async def received(port: int, batches: list[bytes], fraud: Path, *words: str) -> tuple[str, int | None]:
    """What a receiver says when it gets these, again and again until it ends, and its exit status."""

    async def publish() -> None:
        async with MqttSession(Broker("127.0.0.1", port), "") as session:
            while True:
                for each in batches:
                    await session.publish(log_topic(ORIGIN), each)
                await asyncio.sleep(0.1)

    command = [sys.executable, "-m", "wayside", "receive", "--broker", f"mqtt://127.0.0.1:{port}", "--key", str(KEY)]
    command += ["--seconds", "4", "--fraud-file", str(fraud), *words]
    process = await create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(60), running(publish()):
        out, error = await process.communicate()
    assert b"Traceback" not in error, error
    return out.decode() + error.decode(), process.returncode


PIN = f"--device-key={DEVICE}={NODE.public.hex()}"


@pytest.mark.parametrize(
    ("batches", "words", "status", "verdict"),
    [
        ([batch(GOOD, 3, 6), batch(GOOD, 0, 3)], [], 0, "Verdict: everything verified"),
        ([batch(GOOD, 0, 3)], [], 1, "Verdict: NOT all right"),
        ([batch(GOOD, 3, 6)], [], 4, "Verdict: nothing wrong, but not everything could be verified"),
        ([batch(GOOD, 3, 6)], [PIN], 0, "Verdict: everything verified"),
        ([batch(LIAR, 0, 3), batch(LIAR, 3, 7)], [], 3, "Verdict: FRAUD"),
    ],
)
def test_the_exit_status_says_what_the_verdict_says(
    mosquitto: Mosquitto, tmp_path: Path, batches: list[bytes], words: list[str], status: int, verdict: str
) -> None:
    fraud = tmp_path / "fraud"
    text, code = asyncio.run(received(mosquitto.port, batches, fraud, *words))
    assert verdict in text and code == status, text
    proof = read_batch_fraud(fraud) if fraud.exists() else None
    assert (proof is not None) == (status == 3)
    if proof:
        assert prove_batch_fraud(proof, KEY) == (ORIGIN, ["entry 6 has number 4 of gateway as the first of its stream"])
