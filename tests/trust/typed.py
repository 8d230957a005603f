"""A site and its owner, who type `wayside keys`; a gateway that runs meanwhile, or does not."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from waiting import wait_until
from wayside.cli import main
from wayside.daemon import manage
from wayside.daemon.daemon import Daemon
from wayside.evidence.bundle import write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.keyring import Keyring
from wayside.evidence.verify import verify_bundle
from wayside.intake.intake import NodeSource
from wayside.log import LogReader
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.trust.keys import SoftwareKey, load
from wayside.trust.registry import new_challenge, read_keyring
from wayside.values.reading import PackRefused
from wayside_wire import enrol
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

FIRST, SECOND = SoftwareKey(b"1" * 32), SoftwareKey(b"2" * 32)
SITE = """
[site]
name = "test.example"
[[node]]
name = "node-1"
port = "/nowhere"
devices = ["meter-1"]
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:1"
[[bus.device]]
name = "meter-2"
unit = 1
profile = "eastron-sdm630"
"""


class Site:
    """A site file in a folder, and packs of its node."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        self.path = folder / "site.toml"
        self.path.write_text(SITE)
        self.folder = folder
        self._capsys = capsys
        self._last: dict[bytes, tuple[int, bytes]] = {}  # by key id: sequence and hash of its last pack

    def daemon(self) -> Daemon:
        return Daemon(config.load(self.path), self.path, SystemClock())

    def keys(self, verb: str, *words: str, status: int = 0) -> str:
        assert main(["keys", verb, str(self.path), *words]) == status
        told = self._capsys.readouterr()
        return told.out + told.err

    def start(self, *words: str, stop_at: Path | None = None) -> str:
        """What `wayside run` says; it ends by itself with status 1, or is stopped once `stop_at` is there."""
        command = [sys.executable, "-m", "wayside", "run", str(self.path), *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                if stop_at:
                    wait_until(stop_at.exists, f"{stop_at.name}")
                    process.terminate()
                _, told = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == (0 if stop_at else 1), told
        return told

    async def typed(self, verb: str, *words: str, status: int = 0) -> str:
        return await asyncio.to_thread(lambda: self.keys(verb, *words, status=status))

    def pack(self, key: SoftwareKey) -> bytes:
        reading = Reading("voltage_l1", "V", 2300, -1, 0, "", 1)
        sequence, previous = self._last.get(key.kid, (-1, NO_PREVIOUS))
        raw: bytes = sign_pack(Pack("meter-1", 1, sequence + 1, SYNCED, previous, (reading,)), key.kid, key.sign)
        return raw

    async def deliver(self, daemon: Daemon, key: SoftwareKey) -> str:
        """ "" when the pack is taken, else why not."""
        raw = self.pack(key)
        oldest = (1, self._last.get(key.kid, (-1, b""))[0] + 1)  # of those that the node still keeps
        try:
            await daemon.intake.accept(raw, oldest, NodeSource("node-1", frozenset({"meter-1"})))
        except PackRefused as error:
            return str(error)
        self._last[key.kid] = (self._last.get(key.kid, (-1, b""))[0] + 1, pack_hash(raw))
        return ""

    def judged(self, *trusted: bytes) -> tuple[bool, dict[str, str]]:
        log = LogReader(self.folder / "state" / "log")
        bundle = write_bundle(self.folder / "all", log)
        log.close()
        holds, findings = verify_bundle(bundle, Trust(frozenset(("test.example", public) for public in trusted)))
        return holds, {each.subject: each.text for each in findings}

    def judge(self, *words: str, status: int = 0, device: str = "meter-1", epoch: int | None = None) -> str:
        """What `wayside verify` prints of what `wayside export` has written."""
        evidence = self.folder / "evidence"
        of_epoch = ["--epoch", str(epoch)] if epoch is not None else []
        assert main(["export", str(self.path), str(evidence), "--device", device, *of_epoch]) == 0
        self._capsys.readouterr()
        answer = main(["verify", str(evidence), *words])
        told = self._capsys.readouterr()
        assert answer == status, told.out + told.err
        return told.out + told.err

    def verifier_key(self) -> str:
        (line,) = [line for line in self.keys("list").splitlines() if line.startswith("verifier key ")]
        return line.removeprefix("verifier key ")

    def keyring(self) -> Keyring:
        log = LogReader(self.folder / "state" / "log")
        try:
            return read_keyring(log)
        finally:
            log.close()

    def log_key(self) -> SoftwareKey:
        return load(self.folder / "state" / "log.key")


class Owner:
    """Root and registrar, each with a folder of his own, as they type."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        self.folder = folder
        self._capsys = capsys
        self.root = self.make("root.key")
        self.registrar = self.make("registrar.key")

    def type(self, *words: str | Path, status: int = 0) -> str:
        answer = main(["keys", *map(str, words)])
        told = self._capsys.readouterr()
        assert answer == status, told.out + told.err
        return told.out + told.err

    def make(self, name: str) -> str:
        self.type("make", self.folder / name)
        return load(self.folder / name).public.hex()

    def certify(self, request: Path, name: str, *words: str, root: str = "root.key", status: int = 0) -> Path:
        file = self.folder / name
        self.type("certify", request, file, "--root", self.folder / root, *words, status=status)
        return file


def running(site: Site, scenario: Callable[[Daemon], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        daemon = site.daemon()
        task = asyncio.create_task(daemon.run())
        try:
            async with asyncio.timeout(60):
                while not (site.folder / "state" / manage.SOCKET).exists():
                    await asyncio.sleep(0.01)
                await scenario(daemon)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


def deliver(site: Site, key: SoftwareKey, packs: int = 1) -> None:
    async def scenario(daemon: Daemon) -> None:
        for _ in range(packs):
            assert await site.deliver(daemon, key) == ""

    running(site, scenario)


def request(site: Site, name: str = "request") -> Path:
    file = site.folder / name
    site.keys("request", str(file))
    return file


def deliver_nothing(site: Site) -> None:
    async def scenario(_: Daemon) -> None:
        return None

    running(site, scenario)


def enrol_with_proof(site: Site, key: SoftwareKey, assurance: int) -> None:
    challenge = new_challenge()
    proof = enrol.make_proof(challenge, key.public, key.sign, "RP2040_METER", "1", assurance)
    site.keys("enrol", "node-1", key.public.hex(), "--challenge", challenge.hex(), "--proof", proof.hex())


