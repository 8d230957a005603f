"""The node's MQTT against the standard's own examples, against another implementation's bytes, and against noise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside_wire import WireError, mqtt

TOPICS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


def test_connect_is_as_the_standard_lays_it_out():
    """Sections 3.1.2 and 3.1.3: name and level, flags, keep-alive, then client, user name, password."""
    assert mqtt.connect("node", 30) == bytes.fromhex("1010 00044d515454 04 02 001e 00046e6f6465")
    with_login = mqtt.connect("n", 10, "u", "p")
    assert with_login == bytes.fromhex("1013 00044d515454 04 c2 000a 00016e 000175 000170")


def test_subscribe_and_publish():
    """Sections 3.8 and 3.3."""
    assert mqtt.subscribe(10, "a/b") == bytes.fromhex("8208 000a 0003612f62 00")
    assert mqtt.publish("a/b", b"\x01") == bytes.fromhex("3006 0003612f62 01")
    assert mqtt.pingreq() == b"\xc0\0" and mqtt.disconnect() == b"\xe0\0"


@pytest.mark.parametrize("size", [0, 127, 128, 16_383, 16_384])
def test_lengths_at_their_borders(size: int):
    """Section 2.2.3, table 2.4."""
    packet = mqtt.publish("t", bytes(size))
    (found,) = mqtt.PacketDecoder(20_000).feed(packet)
    assert found[0] == mqtt.PUBLISH and mqtt.published(found[1], found[2]) == ("t", bytes(size))


@given(st.lists(st.tuples(TOPICS, st.binary(max_size=300)), max_size=5), st.lists(st.integers(1, 50), max_size=20))
def test_packets_come_back_however_they_are_cut(messages: list[tuple[str, bytes]], cuts: list[int]):
    data = b"".join(mqtt.publish(topic, payload) for topic, payload in messages)
    decoder = mqtt.PacketDecoder(2048)
    found = []
    for cut in cuts:
        found += decoder.feed(data[:cut])
        data = data[cut:]
    found += decoder.feed(data)
    assert [mqtt.published(flags, body) for _, flags, body in found] == messages


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_noise_is_packets_or_an_error(pieces: list[bytes]):
    decoder = mqtt.PacketDecoder(256)
    try:
        for piece in pieces:
            for kind, flags, body in decoder.feed(piece):
                if kind == mqtt.PUBLISH:
                    mqtt.published(flags, body)
                elif kind == mqtt.CONNACK:
                    mqtt.refusal(body)
    except WireError:
        pass


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"\x30\xff\xff\xff\xff\x01", "four bytes"), (b"\x90\xff\x7f", "over 100"), (b"\x90\xff\xff\xff\x7f", "over 100")],
)
def test_impossible_lengths(data: bytes, why: str):
    with pytest.raises(WireError, match=why):
        mqtt.PacketDecoder(100).feed(data)


@given(st.lists(st.integers(1, 200), max_size=30))
def test_a_publication_that_is_too_large_is_left_out(cuts: list[int]):
    """One that the broker keeps would come again after each connection."""
    wanted = [mqtt.publish("t", b"before"), mqtt.pingreq(), mqtt.publish("t", b"behind")]
    data = wanted[0] + mqtt.publish("t", bytes(3000)) + wanted[1] + mqtt.publish("t", b"\x30" * 500) + wanted[2]
    decoder = mqtt.PacketDecoder(256)
    found = []
    for cut in cuts:
        found += decoder.feed(data[:cut])
        data = data[cut:]
    found += decoder.feed(data)
    assert [(kind, body[3:]) for kind, _, body in found] == [(mqtt.PUBLISH, b"before"), (mqtt.PINGREQ, b""),
        (mqtt.PUBLISH, b"behind")]  # fmt: skip
    assert decoder.oversize == 2


@pytest.mark.parametrize(("flags", "body"), [(2, b"\0\1t"), (0, b""), (0, b"\0\5t"), (0, b"\0\1\xff")])
def test_publications_out_of_form(flags: int, body: bytes):
    with pytest.raises(WireError):
        mqtt.published(flags, body)


def test_why_a_broker_says_no():
    assert mqtt.refusal(b"\0\0") == "" and "password" in mqtt.refusal(b"\0\4")
    assert mqtt.refusal(b"\0\x20") == "return code 32"
    for wrong in (b"", b"\0", b"\2\0", b"\0\0\0"):
        with pytest.raises(WireError):
            mqtt.refusal(wrong)
    with pytest.raises(ValueError, match="65535"):
        mqtt.publish("t" * 70_000, b"")
