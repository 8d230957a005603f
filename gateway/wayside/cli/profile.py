"""`wayside profile lint FILE ...` checks device profiles; `wayside profile list` shows those that come with Wayside.

`wayside profile node PROFILE [CHANNEL ...]` prints the `profile` of a meter in a node's configuration. Exit status:
0 no file has an error, 1 one has, or there is no such profile or channel.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayside import profiles
from wayside.profiles import Profile, ProfileError
from wayside.profiles.node import for_node

_MOST_CHANNELS = 32  # by default; more do not fit into one pack


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("profile", help="check device profiles, list them, print one for a node")
    actions = parser.add_subparsers(dest="action", required=True)
    lint = actions.add_parser("lint", help="check profile files")
    lint.add_argument("file", type=Path, nargs="+", metavar="FILE")
    actions.add_parser("list", help="list the profiles that come with Wayside")
    node = actions.add_parser("node", help="print a profile as a node's configuration has it, for its meter")
    node.add_argument("name", metavar="PROFILE", help="one that comes with Wayside, or a profile file")
    node.add_argument("channel", nargs="*", metavar="CHANNEL", help="only these (default: those of the profile)")


def run(args: argparse.Namespace) -> int:
    if args.action == "node":
        return _node(args.name, args.channel)
    return _list() if args.action == "list" else _lint(args.file)


def _node(name: str, channels: list[str]) -> int:
    try:
        profile = profiles.load_file(Path(name)) if name.endswith(".toml") else profiles.load(name)
        made = for_node(profile, channels or None)
    except ProfileError as error:
        print(error, file=sys.stderr)
        return 1
    if not made["channels"]:
        print(f"{name}: has no channels of its own: the gateway asks the device, a node cannot", file=sys.stderr)
        return 1
    print(json.dumps(made))
    return 0


def _list() -> int:
    for name in sorted(profiles.names()):
        profile = profiles.load(name)
        print(f"{name:24} {len(profile.fields):3} channels  checked against {profile.verified:9} {profile.title}")
    return 0


def _lint(files: list[Path]) -> int:
    status = 0
    for file in files:
        try:
            profile = profiles.load_file(file)
        except ProfileError as error:
            print(error, file=sys.stderr)
            status = 1
            continue
        for advice in advise(profile, file.stem):
            print(f"{file}: {advice}")
        print(f"{file}: good: {len(profile.fields)} channels, {len(profile.defaults)} by default")
    return status


def advise(profile: Profile, stem: str) -> Iterator[str]:
    """What a reviewer would ask about a profile that is valid."""
    if profile.name != stem:
        yield f"the file should be called {profile.name}.toml, as its profile.name"
    if profile.verified == "document":
        yield 'advice: verified = "document": read a real device with `wayside read` and compare with its display'
    if len(profile.defaults) > _MOST_CHANNELS:
        yield f"advice: {len(profile.defaults)} default channels do not fit into one pack: set default = false on some"
    for name, field in profile.fields.items():
        if name.startswith("energy_") and field.kind == "f" and field.count == 2:
            yield f"advice: {name} is a float32: it loses counts as it grows; use an integer register if there is one"
            break
