"""A whole junction: cabinet, signal node in the real VM, and controller and monitor as processes of their own."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from signals.bench_head import KEYS, PATIENCE_S, TOWN_KEY, NodeProcess, Process, until
from wayside.control.monitor.latch import ask_reset
from wayside.control.signals.channels import draft_matrix, lamp_bytes
from wayside.control.signals.core import begin, outputs
from wayside.control.signals.loader import load
from wayside.lab.plant.cabinet import Cabinet
from wayside.lab.plant.cable import raw_pty

HERE = Path(__file__).parent
JUNCTION = HERE / "bench_site.toml"
WAYSIDE = [sys.executable, "-m", "wayside"]


class Cable:
    """Two ptys, joined here; `spoil` may change what passes to the node, a frame at a time."""

    def __init__(self, node: int, master: int):
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self._node, self._master = node, master
        self._part = b""
        loop = asyncio.get_running_loop()
        loop.add_reader(node, self._to_master)
        loop.add_reader(master, self._to_node)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._node)
        loop.remove_reader(self._master)

    def _to_master(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._master, os.read(self._node, 4096))

    def _to_node(self) -> None:
        with suppress(BlockingIOError):
            *frames, self._part = (self._part + os.read(self._master, 4096)).split(b"\0")
            for frame in frames:
                os.write(self._node, self.spoil(frame + b"\0"))


class SiteBench:
    def __init__(self, node: NodeProcess, controller: Process, monitor: Process, cabinet: Cabinet, cables: list[Cable]):
        self.node = node
        self.controller = controller
        self.monitor = monitor
        self.cabinet = cabinet
        self.monitor_state = node.folder / "monitor"
        self.to_controller, self.to_monitor = cables
        self.lag_s = 0.0

    async def start(self) -> None:
        for process in (self.node, self.controller, self.monitor):
            await process.start()

    async def running(self) -> None:
        """Wait until some lamp is green; faults that are a busy machine's are reset: starts that it made too many, and
        lamps that seemed dark because the test, which plays the cabinet, was late."""

        def green() -> bool:
            fault = self.monitor_state / "fault"
            said = fault.read_text() if fault.exists() else ""
            if "service began" in said or "shows nothing" in said:
                ask_reset(self.monitor_state)
            return 4 in self.cabinet.lamps

        await until(green, "green")

    async def watch_lag(self) -> None:
        """How much later than it should this test's own loop comes to do something."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            self.lag_s = max(self.lag_s, time.monotonic() - began - 0.01)

    async def flash_after(self, fault: Callable[[], object]) -> tuple[float, float]:
        """(seconds from the fault to the flash at the lamps, how late the test itself was while it measured)."""
        await self.running()
        self.cabinet.clear()
        self.lag_s = 0.0
        began = time.monotonic()
        fault()
        await until(lambda: self.cabinet.flashing, "flash")
        return self.cabinet.seen[-1][0] - began, self.lag_s


@asynccontextmanager
async def site_bench(micropython: Path, folder: Path, run: list[object] | None = None) -> AsyncIterator[SiteBench]:
    """run: the command of the controller, `wayside signals run` by default."""
    site = load(JUNCTION)
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        handles, ports = {}, {}
        for name in ("lamps", "controller", "monitor", "controller's end", "monitor's end"):
            handles[name], ports[name] = stack.enter_context(raw_pty())
        cables = [Cable(handles[name], handles[f"{name}'s end"]) for name in KEYS]
        processes = []
        for name, words in (
            ("controller", [*(run or [*WAYSIDE, "signals", "run"]), JUNCTION]),
            ("monitor", [*WAYSIDE, "signals", "monitor", folder / "matrix", "--signer", TOWN_KEY]),
        ):
            key = folder / f"{name}.key"
            key.touch(0o600)
            key.write_text(KEYS[name].hex())
            words += ["--port", ports[f"{name}'s end"], "--key", key, "--state", folder / name]
            log = folder / f"{name}.log"
            processes.append(Process([str(word) for word in words], log, {}))
        node = NodeProcess(micropython, folder, ports, draft_matrix(site.name, site.junction, site.version))
        node.config["inputs"] = 3
        flash = lamp_bytes(outputs(site.junction, begin(site.junction)))
        cabinet = Cabinet(handles["lamps"], flash, inputs=3)
        loop.add_reader(handles["lamps"], cabinet.readable)
        bench = SiteBench(node, *processes, cabinet, cables)
        watching = asyncio.create_task(bench.watch_lag())
        try:
            yield bench
        finally:
            watching.cancel()
            for process in (node, *processes):
                await process.kill()
            cabinet.close()
            loop.remove_reader(handles["lamps"])
            for cable in cables:
                cable.close()


__all__ = ["PATIENCE_S", "Cable", "SiteBench", "site_bench", "until"]
