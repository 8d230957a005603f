"""Boards of the roles `radio` and `sensor` as processes of the real VM, and the sensor on the node's UART."""

import asyncio
import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def frame(pm25: int, pm10: int) -> bytes:
    """A frame of the SDS011, tenths of ug/m3."""
    body = pm25.to_bytes(2, "little") + pm10.to_bytes(2, "little") + b"\xa1\x60"
    return b"\xaa\xc0" + body + bytes([sum(body) & 0xFF, 0xAB])


class Board:
    """A process of the VM in one of the roles."""

    def __init__(self, micropython: Path, config: Path):
        self._words = [micropython, "-m", "wayside_node.radio_app", "--config", config]
        path = f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"
        self._environment = os.environ | {"MICROPYPATH": path}
        self._log = config.with_suffix(".log")
        self._process: asyncio.subprocess.Process | None = None

    async def public_key(self) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *self._words, "--public-key", env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return bytes.fromhex(out.decode().strip())

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._words, env=self._environment, stderr=log)

    async def kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""
