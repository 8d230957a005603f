"""The arm64 package reads a meter and its evidence verifies, under emulation."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from package.arm_root import why_not, with_package
from waiting import until
from wayside.daemon.status import SOCKET, ask
from wayside.evidence.note import ED25519, NoteKey
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.trust.keys import load

SITE = """[site]
name = "arm.wayside.example"

[[bus]]
name = "switchboard"
endpoint = "tcp://127.0.0.1:{port}"

[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 500
report_ms = 1000
timeout_ms = 5000
channels = ["voltage_l1", "energy_active_import"]
"""


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_the_arm64_package_reads_a_meter(deb_arm64: Path, tmp_path: Path):
    wayside = with_package(deb_arm64, tmp_path)
    site, evidence = tmp_path / "site.toml", tmp_path / "evidence"

    def run(*words: object) -> str:
        done = subprocess.run([*wayside, *map(str, words)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def packs() -> int:
        try:
            return int(ask(tmp_path / "state" / SOCKET)["intake"].get("packs", 0))
        except OSError:
            return 0

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            site.write_text(SITE.format(port=port))
            gateway = await asyncio.create_subprocess_exec(*wayside, "run", site)
            try:
                await until(lambda: packs() > 2, "packs", 120)
                gateway.terminate()
                assert await gateway.wait() == 0
            finally:
                if gateway.returncode is None:
                    gateway.kill()
                    await gateway.wait()

    asyncio.run(scenario())
    run("export", site, evidence, "--device", "meter-1")
    key = NoteKey("arm.wayside.example/log/0", ED25519, load(tmp_path / "state" / "log.key").public)
    assert "everything holds" in run("verify", evidence, "--key", key)
