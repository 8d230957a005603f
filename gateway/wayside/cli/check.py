"""`wayside check SITE`: every error of a site file, with line, key and what to write instead; files that it cannot use.

Exit status: 0 the file can be used, 1 it cannot.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayside import profiles
from wayside.net import http
from wayside.settings.secret_role import PlainFile
from wayside.settings.toml_file import key_text
from wayside.site import config, secret_files


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("check", help="check a site file and explain every error")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file, TOML")


def run(args: argparse.Namespace) -> int:
    try:
        site = config.load(args.site)
        secret_files.check(site, args.site)
    except config.SiteFileError as error:
        print(error, file=sys.stderr)
        return 1
    absent = [*_absent_files(site, args.site.parent), *_absent_extra(site)]
    if absent:
        print("\n".join(f"{args.site}: {line}" for line in absent), file=sys.stderr)
        return 1
    for line in _own_profiles(site):
        print(f"{args.site}: {line}")
    for line in _odd_ratios(site):
        print(f"{args.site}: {line}")
    for line in _unknown_channels(site):
        print(f"{args.site}: {line}")
    print(f"{args.site}: good: {_counts(site)}")
    return 0


def _counts(site: config.SiteFile) -> str:
    """How many there are of each kind of table; buses, nodes, devices and sinks also where there is none."""
    always = {"buses": len(site.bus), "nodes": len(site.node), "devices": len(site.expected()), "sinks": len(site.sink)}
    others = ("radio", "ble", "adapter", "actuator", "controller", "journal", "witness")
    words = {"ble": "Bluetooth adapters", "witness": "witnesses"}
    found = {words.get(key, f"{key}s"): len(getattr(site, key)) for key in others}
    return ", ".join(f"{count} {name}" for name, count in (always | {n: c for n, c in found.items() if c}).items())


def _unknown_channels(site: config.SiteFile) -> Iterator[str]:
    """A line for each channel that a table reads of a device of which nobody knows beforehand which it has."""
    expected = site.expected()
    for place, table in site.placed():
        for mention in table.mentions():
            if mention.channel is not None and expected[mention.device].channels is None:
                where, name = key_text((*place, *mention.key)), f"{mention.device} {mention.channel}"
                yield (
                    f"{where}: whether there is {name} shows only when it runs: what reads {mention.device} does not "
                    "say beforehand which channels it has"
                )


def _own_profiles(site: config.SiteFile) -> Iterator[str]:
    """A line for each profile of the site's own that it uses."""
    used = {device.profile: device.found for bus in site.bus for device in bus.device}
    for name, found in used.items():
        if found.path is not None:
            instead = ", instead of the one of this name that comes with Wayside" if name in profiles.names() else ""
            count = len(found.profile.fields)
            yield f'profile "{name}" is {found.path}: {count} channels, {found.label}{instead}'


def _odd_ratios(site: config.SiteFile) -> Iterator[str]:
    """A line for each transformer that would make more of what it measures: there is none in an ordinary site."""
    for bus in site.bus:
        for device in bus.device:
            for key, ratio in (("ct_ratio", device.ct_ratio), ("vt_ratio", device.vt_ratio)):
                if ratio is not None and ratio < 1:
                    yield (
                        f'device "{device.name}": {key} = "{ratio}" makes less of each value: is it swapped? '
                        "The primary side stands first, as in 250/5."
                    )


def _absent_extra(site: config.SiteFile) -> Iterator[str]:
    for what in [each for each, is_wanted in (("[web]", site.web), ("[log] http", site.log.http)) if is_wanted]:
        try:
            http.require(what)
        except http.MissingExtraError as error:
            yield str(error)


def _absent_files(site: config.SiteFile, folder: Path) -> Iterator[str]:
    """A line for each key that names a file beside the site file which is not there; no secrets."""
    for place, table in site.placed():
        for key, value in table:
            if isinstance(value, PlainFile) and not (folder / value.path).exists():
                where = key_text((*place, key))
                yield f"{where}: {folder / value.path} is not there; make it, or correct the name"
