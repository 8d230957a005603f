"""A whole gateway with two node lines, one honest and one in an attacker's hands. Real daemon, real ptys, real log."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from node_peer import NodePeer
from wayside.daemon.daemon import Daemon
from wayside.evidence.entry import Entry, EntryKind, decode_entry
from wayside.lab.plant.cable import raw_pty
from wayside.log import LogReader
from wayside.runtime.clock import Clock, SystemClock
from wayside.site import config
from wayside.trust.keys import SoftwareKey, load
from wayside_wire import frame, link
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

NODE = SoftwareKey(b"n" * 32)
EVIL = SoftwareKey(b"e" * 32)  # the key of the second node, which does what it likes
STRANGER = SoftwareKey(b"s" * 32)
HONEST, OTHERS = "meter-1", "meter-2"

_AGAIN_S = 1.0


class Line:
    """One end of a node's cable. `pack` makes the next pack of an honest device; `peer` holds its session."""

    def __init__(self, handle: int, key: SoftwareKey, device: str, gateway: bytes):
        self.peer = NodePeer(key, gateway)
        self.heard: list[object] = []
        self._handle = handle
        self._key = key
        self._device = device
        self._decoder = frame.FrameDecoder()
        self._sequence = 0
        self._previous = NO_PREVIOUS

    def pack(self, **changes: object) -> bytes:
        fields = {"device": self._device, "boot": 1, "sequence": self._sequence, "previous": self._previous}
        raw = make(self._key, **(fields | changes))
        if not changes:
            self._sequence += 1
            self._previous = pack_hash(raw)
        return raw

    async def write(self, data: bytes) -> None:
        """As a UART does: what does not fit waits."""
        while data:
            try:
                data = data[os.write(self._handle, data) :]
            except BlockingIOError:
                self.listen()
                await asyncio.sleep(0.001)

    async def say(self, message: object) -> None:
        await self.write(self.peer.seal(message))

    async def send(self, raw: bytes, oldest: tuple[int, int] = (1, 0)) -> None:
        await self.say(link.PackMessage(*oldest, raw))

    def listen(self) -> None:
        try:
            while data := os.read(self._handle, 65536):
                for message in self._decoder.feed(data):
                    said, answer = self.peer.take(message)
                    if said is not None:
                        self.heard.append(said)
                    if answer:
                        os.write(self._handle, answer)
        except BlockingIOError:
            pass

    async def hears(self, kind: type, where: Callable[..., bool] = lambda message: True) -> object:
        """Wait for a message of this kind; it is taken out of what was heard."""
        async with asyncio.timeout(60):
            while True:
                self.listen()
                for message in self.heard:
                    if isinstance(message, kind) and where(message):
                        self.heard.remove(message)
                        return message
                await asyncio.sleep(0.002)

    async def acknowledged(self, raw: bytes) -> None:
        await self.hears(link.Ack, lambda ack: ack.hash == pack_hash(raw))

    async def offer(self, raw: bytes) -> None:
        """As a node does: again until it is acknowledged, because answers on a full line are cut."""
        for _ in range(60):
            await self.send(raw)
            try:
                async with asyncio.timeout(_AGAIN_S):
                    return await self.acknowledged(raw)
            except TimeoutError:
                continue
        raise AssertionError("never acknowledged")

    async def refused(self, code: int, text: str) -> None:
        await self.hears(link.Error, lambda error: error.code == code and text in error.text)


def make(
    key: SoftwareKey, device: str, boot: int, sequence: int, previous: bytes = NO_PREVIOUS, time_ms: int = 1000
) -> bytes:
    reading = Reading("voltage_l1", "V", 23_000 + sequence, -2, 0, "", time_ms)
    raw: bytes = sign_pack(Pack(device, boot, sequence, SYNCED, previous, (reading,)), key.kid, key.sign)
    return raw


class Attacked:
    """The gateway, its honest line and the attacker's."""

    def __init__(self, folder: Path, daemon: Daemon, honest: Line, evil: Line):
        self.folder = folder
        self.daemon = daemon
        self.honest = honest
        self.evil = evil

    async def still_serves(self) -> None:
        """An honest pack is taken, acknowledged and logged."""
        raw = self.honest.pack()
        await self.honest.send(raw)
        await self.honest.acknowledged(raw)

    def entries(self, *kinds: EntryKind) -> list[Entry]:
        return entries(self.folder, *kinds)


def entries(folder: Path, *kinds: EntryKind) -> list[Entry]:
    log = LogReader(folder / "state" / "log")
    found = [decode_entry(record.entry) for record in log.records(0, log.size)]
    log.close()
    return [entry for entry in found if entry.kind in kinds]


def attack(folder: Path, scenario: Callable[[Attacked], Awaitable[None]], clock: Clock | None = None) -> None:
    """Run `scenario` against a gateway in `folder`; afterwards it must still serve, and no task of it has died."""

    async def whole() -> None:
        with ExitStack() as stack:
            ptys = [stack.enter_context(raw_pty()) for _ in range(2)]
            path = folder / "site.toml"
            nodes = zip(("node-1", "node-2"), (HONEST, OTHERS), (NODE, EVIL), ptys, strict=True)
            text = '[site]\nname = "test.example"\n[log]\ncommit_ms = 1\n'
            for name, device, key, (_, port) in nodes:
                text += f'[[node]]\nname = "{name}"\nport = "{port}"\n'
                text += f'public_key = "{key.public.hex()}"\ndevices = ["{device}"]\n'
            path.write_text(text)
            daemon = Daemon(config.load(path), path, clock or SystemClock())
            gateway = load(folder / "state" / "identity.key").public
            lines = [Line(master, key, device, gateway) for (master, _), key, device in
                     zip(ptys, (NODE, EVIL), (HONEST, OTHERS), strict=True)]  # fmt: skip
            task = asyncio.create_task(daemon.run())
            try:
                for line in lines:  # the gateway hints at once that no session stands, and then they say hello
                    await line.hears(link.TimeMessage)
                attacked = Attacked(folder, daemon, *lines)
                await attacked.still_serves()
                await scenario(attacked)
                await attacked.still_serves()
                assert not daemon.parts.restarts, "no task has died"
                assert not task.done()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())
