"""`wayside demo`: the whole path, live in the terminal. `make run` is this command.

`wayside demo meter` is a simulated meter alone, on a serial line or with --tcp on a port of this machine, for scan,
read and run. Exit status: 0 everything arrived and verified, 1 something did not, 2 the demo cannot run here.
"""

import argparse
import asyncio
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from wayside.cli.command_line import seconds, whole
from wayside.evidence.bundle import write_bundle
from wayside.evidence.note import ED25519, NoteKey
from wayside.lab.demo import (
    PROFILE,
    SITE,
    DemoError,
    Process,
    Rates,
    caught_up,
    gateway_process,
    node_process,
    node_public_key,
    plant,
    virtual_board,
)
from wayside.lab.embedded import embedded_broker
from wayside.lab.plant import Sdm630, answer_for, serve_pty, serve_tcp
from wayside.log import LogReader
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside.receiver.screen import Screen
from wayside.receiver.view import Verdict, summary, verdict
from wayside.text.reason import reason
from wayside.trust.keys import load_or_create


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("demo", help="run the whole path on simulated meters")
    parser.add_argument("what", nargs="?", choices=("all", "meter"), default="all", help="all (default) or meter")
    tcp_help = "of meter: speak Modbus/TCP on this port of 127.0.0.1; 0 takes a free one"
    parser.add_argument("--tcp", type=whole(0, 65_535), metavar="PORT", help=tcp_help)
    parser.add_argument("--unit", type=whole(1, 247), default=1, help="of meter: its unit address (default 1)")
    parser.add_argument("--seconds", type=seconds, help="stop by itself after so long; else at Ctrl-C")
    parser.add_argument("--seed", type=whole(0, 2**31), default=1, help="of the simulated meters (default 1)")
    parser.add_argument("--folder", type=Path, help="folder for its files (default: a new folder below run/)")


def run(args: argparse.Namespace) -> int:
    if args.what == "meter":
        return _meter_alone(args)
    if args.tcp is not None or args.unit != 1:
        print("wayside demo: --tcp and --unit go with: wayside demo meter", file=sys.stderr)
        return 2
    folder = args.folder or Path("run") / time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_demo(folder, args.seconds, args.seed))
    except (DemoError, ImportError, OSError) as error:
        print(f"wayside demo: {reason(error)}", file=sys.stderr)
        return 2


async def _demo(folder: Path, seconds: float | None, seed: int) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    machine = await virtual_board()
    (folder / "state").mkdir(exist_ok=True)
    key = NoteKey(f"{SITE}/log/0", ED25519, load_or_create(folder / "state" / "log.key").public)
    async with embedded_broker() as broker, plant(seed, broker, Rates()) as found:
        node = node_process(folder, machine, found)
        gateway = gateway_process(folder, found, await node_public_key(node))
        screen = Screen(sys.stdout, SITE)
        receiver = SiteReceiver(found.broker, SITE, SiteAccount(key, DeviceKeys({}), screen.take))
        receiving = asyncio.create_task(receiver.run())
        await receiver.ready.wait()
        try:
            await gateway.start()
            await node.start()
            died = await _until(stop, seconds, [node, gateway], screen.run(receiver.account, lambda: receiver.state))
        finally:
            await node.stop()
            await gateway.stop()
        await caught_up(receiver.account, folder / "state" / "log")
        receiving.cancel()
        with suppress(asyncio.CancelledError):
            await receiving
    for process in died:
        print(f"the {process.name} ended by itself; its last words:\n{process.last_words()}", file=sys.stderr)
    print("\n".join(summary(receiver.account, SITE)))
    holds = _leave_evidence(folder, key)
    return 0 if verdict(receiver.account) is Verdict.GOOD and holds and not died else 1


def _meter_alone(args: argparse.Namespace) -> int:
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve_meter(args.tcp, args.unit, args.seed, args.seconds))
        except OSError as error:
            print(f"wayside demo: {reason(error)}", file=sys.stderr)
            return 2
    return 0


async def _serve_meter(port: int | None, unit: int, seed: int, seconds: float | None) -> None:
    answer = answer_for({unit: Sdm630(seed)})
    line = serve_pty(answer) if port is None else serve_tcp(answer, port)
    async with line as place:
        endpoint = f"rtu://{place}" if port is None else f"tcp://127.0.0.1:{place}"
        print(f"An SDM630 with simulated values, unit {unit}, at {endpoint} until Ctrl-C. Look at it:")
        print(f"  wayside read {endpoint} --unit {unit} --profile {PROFILE}", flush=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()


async def _until(stop: asyncio.Event, seconds: float | None, processes: list[Process], show: Any) -> list[Process]:
    """Wait for the end of the time, a signal or a process that dies; the processes that died."""
    tasks = {asyncio.create_task(process.ended()): process for process in processes}
    others = [asyncio.create_task(stop.wait()), asyncio.create_task(show)]
    done, _ = await asyncio.wait([*tasks, *others], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, *others):
        task.cancel()
    await asyncio.gather(*tasks, *others, return_exceptions=True)
    return [process for task, process in tasks.items() if task in done]


def _leave_evidence(folder: Path, key: NoteKey) -> bool:
    """Write the evidence file and let the stand-alone verifier judge it, as a stranger would."""
    path = folder / "evidence.wayside"
    log = LogReader(folder / "state" / "log")
    write_bundle(path, log)
    log.close()
    words = ["verify", str(path), "--key", str(key)]
    done = subprocess.run([sys.executable, "-m", "wayside", *words], capture_output=True, text=True)
    verdict = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    print(f"\nEvidence: {path}\n  its verifier says: {verdict}\nCheck it yourself, offline:")
    print(f"  {shlex.join([str(Path(sys.executable).parent / 'wayside'), *words])}")
    return done.returncode == 0
