"""`wayside signals`: run, check and explain a junction's signals. One module per verb, imported only when it is typed,
so that the monitor's process holds no code of the controller.

Exit status: 0 done or stopped, 1 a file, key or line cannot be used, 2 wrong usage.
"""

import argparse
import importlib
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from wayside.cli.command_line import whole
from wayside.evidence import EvidenceError
from wayside.trust.keys import KeyFileError


class SignalsError(Exception):
    """What was typed cannot be done; the text says what to do."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("signals", help="run, check and explain a junction's signals")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    check = verbs.add_parser("check", help="check a junction file and explain every error")
    matrix = verbs.add_parser("matrix", help="write the monitor's matrix, to be compared with the plan on paper")
    run = verbs.add_parser("run", help="run the controller of a junction")
    for each in (check, matrix, run):
        each.add_argument("file", type=Path, metavar="FILE", help="the junction file, TOML")
    matrix.add_argument("--sign", type=Path, metavar="KEYFILE", help="sign it with this key; a new file gets a new key")
    matrix.add_argument("--name", default="traffic-engineer", help="the signer's name in the note")
    run.add_argument("--broker", default="", metavar="URL", help="of detector zones by MQTT, mqtt://HOST:PORT")
    monitor = verbs.add_parser("monitor", help="run the independent monitor of a junction")
    monitor.add_argument("matrix", type=Path, metavar="MATRIX", help="the signed matrix")
    monitor.add_argument("--signer", required=True, metavar="KEY", help="the signer's verifier key")
    for each in (run, monitor):
        each.add_argument("--port", required=True, metavar="PATH", help="its serial line to the signal node")
        each.add_argument("--baud", type=whole(300, 3_000_000), default=115200)
        each.add_argument("--key", type=Path, required=True, metavar="FILE", help="its key, 64 hexadecimal digits")
        each.add_argument("--state", type=Path, required=True, metavar="FOLDER", help="where it keeps its journal")
    reset = verbs.add_parser("reset", help="reset the monitor's fault, by hand")
    watch = verbs.add_parser("watch", help="show a running junction live")
    why = verbs.add_parser("why", help="explain why every group showed its signal at a time")
    diagram = verbs.add_parser("diagram", help="draw what was shown in an interval, as SVG")
    for each in (reset, watch, why, diagram):
        each.add_argument("state", type=Path, metavar="FOLDER", help="the state folder of the monitor or controller")
    watch.add_argument("--once", action="store_true", help="show it once and end")
    for each in (why, diagram):
        each.add_argument("file", type=Path, metavar="FILE", help="the junction file that was in force")
    why.add_argument("time", metavar="TIME", help='local time at the junction, such as "2026-11-23 08:15:30"')
    diagram.add_argument("begin", metavar="FROM", help="local time at the junction")
    diagram.add_argument("end", metavar="TO")
    verbs.add_parser("keys", help="print fresh keys for the controller's and the monitor's line to a node")


def run(args: argparse.Namespace) -> int:
    try:
        return int(importlib.import_module(f"wayside.cli.signals.{args.verb}").run(args))
    except (EvidenceError, KeyFileError, SignalsError) as error:
        print(error, file=sys.stderr)
        return 1


def read_key(path: Path) -> bytes:
    """The 32 bytes of a line's key."""
    try:
        text = path.read_text().strip()
        if path.stat().st_mode & 0o077:
            raise SignalsError(f"{path}: others can read this key; type: chmod 600 {path}")
        key = bytes.fromhex(text)
    except OSError as error:
        raise SignalsError(
            f"{path}: cannot be read ({error.strerror}); write a key of `wayside signals keys` to it"
        ) from None
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SignalsError(f"{path}: is no key; write 64 hexadecimal digits, as `wayside signals keys` prints them")
    return key


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SignalsError(f"{path}: cannot be made ({error.strerror}); name a folder that can be written") from None


def say(text: str) -> None:
    """A line for people who follow the service. Where it goes may be full too, or read by nobody: nothing waits."""
    with suppress(OSError):
        if _takes(sys.stderr):
            print(text, file=sys.stderr, flush=True)


def _takes(stream: TextIO) -> bool:
    """Whether a line can be written without waiting for a reader that hangs."""
    try:
        handle = stream.fileno()
    except OSError:  # it is no file
        return True
    return bool(select.select([], [handle], [], 0)[1])
