"""`wayside signals watch FOLDER`: a running junction live in the terminal, until it is stopped."""

import argparse
import sys
import time
from typing import Any

from wayside.cli.signals import SignalsError
from wayside.control.signals import feed
from wayside.text.printable import controlled, printable

_EVERY_S = 0.5
_LONGEST = 500  # characters of a line
_COLOURS = {"red": 31, "red_amber": 33, "amber": 33, "green": 32}


def run(args: argparse.Namespace) -> int:
    picture = feed.read(args.state)
    if picture is None:
        raise SignalsError(f"{args.state}: shows nothing; name the --state of a running controller")
    while True:
        text = "\n".join(render(picture, time.time_ns() // 1_000_000))
        if args.once:
            controlled(sys.stdout).write(f"{text}\n")
            return 0
        controlled(sys.stdout).write(f"\x1b[2J\x1b[H{text}\n")
        sys.stdout.flush()
        time.sleep(_EVERY_S)
        picture = feed.read(args.state) or picture


def render(picture: dict[str, Any], now_ms: int) -> list[str]:
    """The picture in lines, coloured; times in seconds."""
    age_ms = now_ms - picture["utc_ms"]
    stale = f"  NOT RUNNING, this is {age_ms / 1000:.0f} s old" if abs(age_ms) > feed.STALE_MS else ""
    forced = f", the core serves stage {picture['forced_stage']}" if picture["forced_stage"] else ""
    lines = [
        f"{picture['junction']}  {picture['mode']}  {picture['lamps']}{stale}",
        f"control  {picture['level']} ({picture['by']}){forced}: {picture['cause']}",
        f"node     {picture['node']}",
    ]
    lines += [f"fault    detector {name}: {fault}" for name, fault in picture["faults"].items()]
    lines = [printable(line, _LONGEST) for line in lines]
    lines.append(f"{'group':14}{'shows':11}{'for':>8}{'unserved':>10}  asks")
    for group in picture["groups"]:
        asks = " ".join(word for word in ("called", "wanted") if group[word])
        shows = f"\x1b[{_COLOURS[group['shows']]}m{group['shows']:11}\x1b[0m"
        name = printable(group["name"])
        lines.append(f"{name:14}{shows}{group['age'] / 10:>7.1f}s{group['unserved'] / 10:>9.1f}s  {asks}")
    return lines
