"""TLS against a real broker: who is trusted, who is let in, and what the errors say."""

import asyncio
import time
from pathlib import Path

import pytest
from cryptography import x509
from north.certificates import Authority
from north.mosquitto import Mosquitto
from wayside.net.far_side import FarSideError, FarSideRefused
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.net.mqtt.tls import Tls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def settings(authority: Authority, certificate: Path, key: Path, *more: str) -> list[str]:
    files = [f"cafile {authority.ca_file}", f"certfile {certificate}", f"keyfile {key}"]
    return [*files, *more]


async def exchange(broker: Broker) -> int:
    """Publish and receive much more than a TLS record at a time; how many messages came."""
    async with MqttSession(broker, "") as sender, MqttSession(broker, "", largest=1 << 17) as receiver:
        await receiver.subscribe("t")
        payloads = [b"%d" % number * 40 for number in range(300)] + [b"large" * 20_000] * 3
        await asyncio.gather(*(sender.publish("t", payload) for payload in payloads))
        for count, payload in enumerate(payloads):
            message = await receiver.message()
            assert message.payload == payload, count
            receiver.acknowledge(message)
        return len(payloads)


@pytest.mark.parametrize("version", [3, 5])
def test_messages_pass(mosquitto_folder: Path, authority: Authority, version: int) -> None:
    with Mosquitto(mosquitto_folder, *settings(authority, *authority.issue("broker"))) as mosquitto:
        broker = Broker("127.0.0.1", mosquitto.port, tls=Tls(authority.ca_file), version=version)
        assert asyncio.run(exchange(broker)) == 303


def test_a_client_certificate_lets_in(mosquitto_folder: Path, authority: Authority) -> None:
    required = settings(authority, *authority.issue("broker"), "require_certificate true")
    with Mosquitto(mosquitto_folder, *required) as mosquitto:
        port = mosquitto.port
        tls = Tls(authority.ca_file, *authority.issue("client"))
        assert asyncio.run(exchange(Broker("127.0.0.1", port, tls=tls))) == 303
        # TLS 1.3 tells a client without a certificate only after the handshake: the connection just ends.
        with pytest.raises(FarSideError):
            asyncio.run(exchange(Broker("127.0.0.1", port, tls=Tls(authority.ca_file))))


@pytest.mark.parametrize("reason", ["unknown authority", "expired", "other name"])
def test_a_broker_that_cannot_prove_itself_gets_nothing(
    mosquitto_folder: Path, authority: Authority, reason: str
) -> None:
    issuer = Authority(mosquitto_folder, "another authority") if reason == "unknown authority" else authority
    files = issuer.issue("broker", days=-1 if reason == "expired" else 1)
    host = "localhost" if reason == "other name" else "127.0.0.1"
    with Mosquitto(mosquitto_folder, *settings(issuer, *files)) as mosquitto:
        with pytest.raises(FarSideRefused, match="certificate is not accepted") as caught:
            asyncio.run(exchange(Broker(host, mosquitto.port, tls=Tls(authority.ca_file))))
        words = {"unknown authority": "self-signed", "expired": "expired", "other name": "localhost"}
        assert words[reason] in str(caught.value)


def test_a_broker_without_tls_is_not_spoken_to(shared_mosquitto: Mosquitto, authority: Authority) -> None:
    with pytest.raises(FarSideError):
        asyncio.run(exchange(Broker("127.0.0.1", shared_mosquitto.port, tls=Tls(authority.ca_file), connect_s=3)))


# --- a clock that may be wrong: docs/delivery.md, Certificates ---


@pytest.mark.parametrize(
    ("days", "at_least", "accepted"),
    [
        (1, None, True),
        (-1, None, False),  # the clock is right: expired
        (5, None, False),  # the clock is right: not valid yet
        (5, 0, True),  # the clock stands at 1970 or was set back: nothing says that it is not valid
        (-1, 0, True),  # the clock may have run ahead
        (-1, -0.5, False),  # it ended a day ago, and half a day ago certainly is in the past
        (-1, -1.5, True),
        (1, 0.5, True),
    ],
)
def test_a_window_is_judged_by_what_is_certain_of_the_time(
    mosquitto_folder: Path, authority: Authority, days: int, at_least: float | None, accepted: bool
) -> None:
    """`at_least`: None while the clock is right, 0 when nothing is known, else days from now that certainly passed."""
    known_ms = None if at_least is None else int(time.time() * 1000 + at_least * 86_400_000) if at_least else 0
    seen: list[x509.Certificate] = []
    with Mosquitto(mosquitto_folder, *settings(authority, *authority.issue("broker", days=days))) as mosquitto:
        tls = Tls(authority.ca_file, at_least_ms=lambda: known_ms, saw=seen.append)
        broker = Broker("127.0.0.1", mosquitto.port, tls=tls)
        if accepted:
            assert asyncio.run(exchange(broker)) == 303
            assert seen[0].subject.rfc4514_string() == "CN=broker"
        else:
            with pytest.raises(FarSideRefused, match=r"certificate is not accepted: .*(expired|not yet valid)"):
                asyncio.run(exchange(broker))


@pytest.mark.parametrize("reason", ["unknown authority", "other name"])
def test_a_wrong_clock_makes_nobody_else_acceptable(
    mosquitto_folder: Path, authority: Authority, reason: str
) -> None:
    issuer = Authority(mosquitto_folder, "another authority") if reason == "unknown authority" else authority
    with Mosquitto(mosquitto_folder, *settings(issuer, *issuer.issue("broker"))) as mosquitto:
        host = "localhost" if reason == "other name" else "127.0.0.1"
        broker = Broker(host, mosquitto.port, tls=Tls(authority.ca_file, at_least_ms=lambda: 0))
        with pytest.raises(FarSideRefused, match="certificate is not accepted"):
            asyncio.run(exchange(broker))
