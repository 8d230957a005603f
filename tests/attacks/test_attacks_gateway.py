"""Attacks on a running gateway over a node's line: what comes of it, and that the honest line does not notice."""

import asyncio
import hashlib
import hmac
import json
import socket
import sqlite3
from pathlib import Path

import pytest
from attacks.gateway import EVIL, HONEST, NODE, OTHERS, STRANGER, Attacked, attack, entries, make
from wayside.evidence.kinds import EntryKind, GapBody, PackBody
from wayside.evidence.stream import device_of, device_stream
from wayside.log import LogError, LogReader
from wayside.runtime.clock import SystemClock
from wayside.south.nodes import NodeLink
from wayside_wire import cbor, cose, frame, link
from wayside_wire.pack import pack_hash


def packs(attacked: Attacked, device: str) -> list[bytes]:
    found = [entry for entry in attacked.entries(EntryKind.PACK) if device_of(entry.stream) == device]
    return [entry.body.raw for entry in found if isinstance(entry.body, PackBody)]


def test_a_replay_is_acknowledged_again_and_logged_once_also_after_a_restart(tmp_path: Path):
    kept: list[bytes] = []

    async def first(attacked: Attacked) -> None:
        for _ in range(3):
            kept.append(attacked.evil.pack())
            await attacked.evil.send(kept[-1])
            await attacked.evil.acknowledged(kept[-1])

    async def again(attacked: Attacked) -> None:
        for raw in kept * 3:
            await attacked.evil.send(raw)
            await attacked.evil.acknowledged(raw)
        assert packs(attacked, OTHERS) == kept

    attack(tmp_path, first)
    attack(tmp_path, again)


def test_packs_in_any_order_end_up_in_theirs(tmp_path: Path):
    """Inside the window (the node still holds what comes before): later. Beyond it (it holds no more): a named gap."""

    async def scenario(attacked: Attacked) -> None:
        evil = attacked.evil
        made = [evil.pack() for _ in range(6)]
        for at in (2, 1):
            await evil.send(made[at], (1, 0))
            await evil.refused(link.OUT_OF_ORDER, "come first")
        for raw in made[:3]:
            await evil.send(raw, (1, 0))
            await evil.acknowledged(raw)
        await evil.send(made[5], (1, 5))
        await evil.acknowledged(made[5])
        await evil.send(made[4], (1, 4))
        await evil.acknowledged(made[4])
        assert packs(attacked, OTHERS) == [*made[:3], made[5], made[4]]
        (gap,) = attacked.entries(EntryKind.GAP)
        assert gap.stream == device_stream(OTHERS) and gap.body == GapBody(EVIL.kid, 1, 3, 4, "lost at source")

    attack(tmp_path, scenario)


def test_a_number_used_twice_with_other_content_is_refused(tmp_path: Path):
    async def scenario(attacked: Attacked) -> None:
        first = attacked.evil.pack()
        await attacked.evil.send(first)
        await attacked.evil.acknowledged(first)
        await attacked.evil.send(make(EVIL, OTHERS, 1, 0, time_ms=9))
        await attacked.evil.refused(link.REFUSED, "other content")
        assert packs(attacked, OTHERS) == [first]

    attack(tmp_path, scenario)


def with_header(raw: bytes, **changes: object) -> bytes:
    """A pack whose protected header says something else; signed by the same key, so that only the header is wrong."""
    header, _, payload, _ = cbor.decode(raw).value
    protected = cbor.decode(header) | {
        {"alg": cose.ALG, "kid": cose.KID}[name]: value for name, value in changes.items()
    }
    return bytes(cose.sign1(protected, payload, EVIL.sign))


def as_mac(raw: bytes, key: bytes) -> bytes:
    """The pack as a COSE_Mac0 whose key is the public key, which everybody has."""
    header, _, payload, _ = cbor.decode(raw).value
    protected = cbor.decode(header) | {cose.ALG: cose.HMAC_256_256}
    return bytes(cose.mac0(protected, payload, lambda message: hmac.digest(key, message, hashlib.sha256)))


def test_forged_and_confused_packs_are_refused_each_with_its_reason(tmp_path: Path):
    async def scenario(attacked: Attacked) -> None:
        evil = attacked.evil
        good = evil.pack(sequence=0)
        flipped = bytearray(good)
        flipped[-1] ^= 1
        header, _, payload, signature = cbor.decode(good).value
        cases = {
            "forged device": (make(STRANGER, OTHERS, 1, 0), link.REFUSED, "is not registered"),
            "another node's key": (make(NODE, OTHERS, 1, 0), link.REFUSED, ""),
            "another device's name": (make(EVIL, HONEST, 1, 7), link.UNKNOWN_DEVICE, "meter-1 is not a device of node"),
            "its signature flipped": (bytes(flipped), link.REFUSED, "does not verify"),
            "another's key id": (with_header(good, kid=NODE.kid), link.REFUSED, ""),
            "algorithm HS256": (with_header(good, alg=cose.HMAC_256_256), link.REFUSED, ""),
            "algorithm ES256": (with_header(good, alg=-7), link.REFUSED, ""),
            "algorithm none": (with_header(good, alg=0), link.REFUSED, ""),
            "algorithm as text": (with_header(good, alg="EdDSA"), link.REFUSED, ""),
            "MAC by the public key": (as_mac(good, EVIL.public), link.REFUSED, "tag 18"),
            "MAC's tag on a signature": (b"\xd1" + good[1:], link.REFUSED, "tag 18"),
            "re-encoded tag": (b"\xd8\x12" + good[1:], link.REFUSED, "CBOR"),
            "re-encoded length": (good[:1] + b"\x98\x04" + good[2:], link.REFUSED, "CBOR"),
            "algorithm outside": (
                cbor.encode(cbor.Tag(18, [header, {cose.ALG: -7}, payload, signature])), link.REFUSED, "both headers",
            ),
            "trailing bytes": (good + b"\x00", link.REFUSED, "after the item"),
            "no signature": (cbor.encode(cbor.Tag(18, [header, {}, payload, b""])), link.REFUSED, ""),
        }  # fmt: skip
        for name, (raw, code, text) in cases.items():
            await evil.send(raw)
            error = await evil.hears(link.Error, lambda each: each.code != link.NO_SESSION)  # the hint at the start
            assert isinstance(error, link.Error) and error.code == code and text in error.text, (name, error)
        assert not packs(attacked, OTHERS) and len(packs(attacked, HONEST)) == 1
        await evil.send(good)
        await evil.acknowledged(good)

    attack(tmp_path, scenario)


@pytest.mark.parametrize("size", [64 * 1024, 1024 * 1024])
@pytest.mark.parametrize("filling", [b"\x01", b"\xff", b"\x05\xd2\x12\x84\x40"])
def test_a_frame_of_64_kib_and_more_is_dropped_and_counted(tmp_path: Path, size: int, filling: bytes):
    async def scenario(attacked: Attacked) -> None:
        evil, node_link = attacked.evil, attacked.daemon.parts.of(NodeLink)[1]
        await evil.write(b"\x00" + filling * (size // len(filling)))
        await attacked.still_serves()
        await evil.write(b"\x00")
        raw = evil.pack()
        await evil.send(raw)
        await evil.acknowledged(raw)
        assert node_link.counters["oversize frames"] == 1

    attack(tmp_path, scenario)


def test_a_slow_drip_on_one_line_holds_up_nobody(tmp_path: Path):
    async def scenario(attacked: Attacked) -> None:
        evil = attacked.evil
        raw = evil.pack()
        for byte in evil.peer.seal(link.PackMessage(1, 0, raw)):
            await evil.write(bytes([byte]))
            if byte % 32 == 0:
                await attacked.still_serves()
        await evil.acknowledged(raw)

    attack(tmp_path, scenario)


@pytest.mark.parametrize("tiny", [b"\x00", b"\x01\x00", b"\x02\x2a\x00", frame.encode(b"\xff"), frame.encode(b"")])
def test_ten_thousand_tiny_frames_hold_up_nobody(tmp_path: Path, tiny: bytes):
    async def scenario(attacked: Attacked) -> None:
        flood = asyncio.create_task(attacked.evil.write(tiny * 10_000))
        while not flood.done():
            await attacked.still_serves()
        await flood
        await attacked.evil.write(b"\x00")
        await attacked.evil.offer(attacked.evil.pack())
        counters = attacked.daemon.parts.of(NodeLink)[1].counters
        told = counters["crc errors"] + counters["bad messages"]
        assert told == (10_000 if len(tiny) > 1 else 0), counters

    attack(tmp_path, scenario)


class JumpingClock(SystemClock):
    """A clock whose wall time somebody sets, back and forward."""

    jump_ms = 0

    def utc_ms(self) -> int:
        return super().utc_ms() + self.jump_ms


def test_a_clock_set_back_and_forward_is_an_entry_and_changes_no_order(tmp_path: Path):
    clock = JumpingClock()
    year_ms = 365 * 86_400_000

    async def scenario(attacked: Attacked) -> None:
        sent: list[bytes] = []
        for jump_ms in (year_ms, -year_ms, 0):
            clock.jump_ms = jump_ms
            before = len(attacked.entries(EntryKind.CLOCK))
            async with asyncio.timeout(60):
                while len(attacked.entries(EntryKind.CLOCK)) == before:
                    await asyncio.sleep(0.05)
            sent.append(attacked.evil.pack())
            await attacked.evil.send(sent[-1])
            await attacked.evil.acknowledged(sent[-1])
        assert packs(attacked, OTHERS) == sent
        steps = [entry.body.step_ms for entry in attacked.entries(EntryKind.CLOCK)]
        for step, expected in zip(steps, (year_ms, -2 * year_ms, year_ms), strict=True):
            assert abs(step - expected) < 60_000

    attack(tmp_path, scenario, clock)


def test_who_asks_for_the_status_and_never_reads_holds_up_nobody(tmp_path: Path):
    async def scenario(attacked: Attacked) -> None:
        links = []
        for _ in range(50):
            link_ = socket.socket(socket.AF_UNIX)
            link_.setblocking(False)
            link_.connect(str(tmp_path / "state" / "status.sock"))
            links.append(link_)
        await attacked.still_serves()
        for link_ in links:
            link_.close()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "state" / "status.sock")
        assert json.loads(await reader.read())["log"]["origin"] == "test.example/log/0"
        writer.close()

    attack(tmp_path, scenario)


@pytest.mark.parametrize("how", ["rows", "file", "wal", "nothing left"])
def test_a_truncated_log_is_never_continued(tmp_path: Path, how: str):
    """Cut while the gateway is off. It goes on in a new epoch that names what was signed; no root is signed twice."""

    async def fill(attacked: Attacked) -> None:
        for _ in range(5):
            await attacked.still_serves()

    attack(tmp_path, fill)
    log = LogReader(tmp_path / "state" / "log")
    size, root = log.size, log.root
    log.close()
    database = tmp_path / "state" / "log" / "epoch-0.sqlite"
    if how == "rows":
        with sqlite3.connect(database) as db:
            db.execute("DELETE FROM entry WHERE idx >= ?", (size - 2,))
    elif how == "wal":
        database.with_name("epoch-0.sqlite-wal").unlink(missing_ok=True)
        with database.open("r+b") as file:
            file.truncate(database.stat().st_size - 4096)
    else:
        with database.open("r+b") as file:
            file.truncate(0 if how == "nothing left" else 5000)

    async def look(attacked: Attacked) -> None:
        (epoch,) = attacked.entries(EntryKind.EPOCH)
        assert (epoch.body.before, epoch.body.size, epoch.body.root) == ("test.example/log/0", size, root)

    attack(tmp_path, look)
    log = LogReader(tmp_path / "state" / "log")
    assert log.origin == "test.example/log/1"
    log.close()
    with pytest.raises(LogError):
        LogReader(tmp_path / "state" / "log", epoch=0)


def test_dropped_packs_are_named_whoever_drops_them(tmp_path: Path):
    """Somebody on the line swallows packs: the node keeps them. The node swallows them: chain and log say so."""

    async def scenario(attacked: Attacked) -> None:
        made = [attacked.evil.pack() for _ in range(4)]
        await attacked.evil.send(made[0])
        await attacked.evil.acknowledged(made[0])
        await attacked.evil.send(made[3], (1, 1))
        await attacked.evil.refused(link.OUT_OF_ORDER, "come first")
        await attacked.evil.send(made[3], (1, 3))
        await attacked.evil.acknowledged(made[3])
        skipped = make(EVIL, OTHERS, 1, 4, previous=pack_hash(made[1]))
        await attacked.evil.send(skipped, (1, 4))
        await attacked.evil.acknowledged(skipped)
        gaps = [entry.body for entry in attacked.entries(EntryKind.GAP)]
        assert gaps[0] == GapBody(EVIL.kid, 1, 1, 2, "lost at source")
        assert gaps[1].cause == "chain broken"

    attack(tmp_path, scenario)
    assert len(entries(tmp_path, EntryKind.GAP)) == 2
