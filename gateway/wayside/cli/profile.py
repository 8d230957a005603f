"""`wayside profile lint FILE ...` checks device profiles; `wayside profile list` shows those that can be named.

`wayside profile node PROFILE [CHANNEL ...]` prints the `profile` of a meter in a node's configuration.
`wayside profile import FILE` makes a profile of what was written for other software, beside the site file, and names
line by line what it could not take over.
Exit status: 0 done, 1 a file has an error, there is no such profile or channel, or nothing could be taken over; 2 a
file cannot be read or written, a name cannot be, or a package is missing.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayside import profiles
from wayside.cli import library_option
from wayside.evidence.files import replace_file
from wayside.profiles import Profile, ProfileError, imports
from wayside.profiles.model import profile_name
from wayside.profiles.node import for_node
from wayside.text.reason import reason

_LARGEST = 1024 * 1024  # bytes of a file to import
_MOST_CHANNELS = 32  # by default; more do not fit into one pack


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("profile", help="check, list or import device profiles; print a profile for a node")
    actions = parser.add_subparsers(dest="action", required=True)
    lint = actions.add_parser("lint", help="check profile files")
    lint.add_argument("file", type=Path, nargs="+", metavar="FILE")
    library_option.add(actions.add_parser("list", help="list your own profiles and Wayside's profiles"))
    node = actions.add_parser("node", help="print a profile as a node's configuration has it, for its meter")
    node.add_argument("name", metavar="PROFILE", help="a profile, or a profile's file")
    channel_help = "only these (default: those of the profile)"
    node.add_argument("channel", metavar="CHANNEL", nargs="*", default=[], help=channel_help)
    library_option.add(node)
    library_option.add_site_of_meter(node)
    taken = actions.add_parser("import", help="make a profile from a file of other software")
    taken.add_argument("file", type=Path, metavar="FILE")
    taken.add_argument("--format", choices=imports.IMPORTERS, help="format of FILE (default: found from its content)")
    taken.add_argument("--name", type=_name, help="of the profile (default: that of --out, or of FILE)")
    taken.add_argument("--unit", type=int, help="the unit address that is meant, where FILE has several")
    out_help = "where to write it (default: profiles/NAME.toml)"
    taken.add_argument("--out", type=_out, metavar="FILE.toml", help=out_help)
    library_option.add(taken)


def _name(text: str) -> str:
    try:
        return profile_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _out(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".toml":
        raise argparse.ArgumentTypeError(f'"{text}": a profile is a file whose name ends with ".toml"')
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent}: there is no such folder; make it, or write another")
    return path


def run(args: argparse.Namespace) -> int:
    if args.action == "node":
        return _node(args)
    if args.action == "import":
        return _import(args)
    return _list(library_option.folder(args)) if args.action == "list" else _lint(args.file)


def _node(args: argparse.Namespace) -> int:
    name: str = args.name
    try:
        profile = library_option.at_site(args, library_option.load(args, name))
        made = for_node(profile, args.channel or None)
    except ProfileError as error:
        print(error, file=sys.stderr)
        return 1
    if not made["channels"]:
        print(f"{name}: has no channels of its own: the gateway asks the device, a node cannot", file=sys.stderr)
        return 1
    print(json.dumps(made))
    return 0


def _list(folder: Path) -> int:
    library = profiles.Library(folder)
    status = 0
    for name in sorted(library.names()):
        try:
            profile, _, path = library.find(name)
        except ProfileError as error:
            print(error, file=sys.stderr)
            status = 1
            continue
        own = f"  {path}" if path else ""
        print(f"{name:28} {len(profile.fields):3} channels  checked against {profile.verified:9} {profile.title}{own}")
    return status


def _import(args: argparse.Namespace) -> int:
    try:
        text = _text(args.file)
        kind = args.format or imports.kind_of(text)
        if kind is None:
            if args.file.suffix in (".yaml", ".yml"):
                imports.lines.read(text)  # one that is broken has no format, and says itself where
            raise imports.NothingToImportError(f"is none of {', '.join(imports.IMPORTERS)}; name it with --format")
        name = args.name or (args.out.stem if args.out else imports.slug(args.file.stem).replace("_", "-")[:40])
        try:
            profile_name(name)
        except ValueError as error:
            print(f"{args.out or args.file}: {error}; give it one with --name", file=sys.stderr)
            return 2
        draft = imports.IMPORTERS[kind](text, args.unit)
        made = draft.text(name)
    except OSError as error:
        print(f"{args.file}: cannot be read ({error.strerror}); give the path of a file", file=sys.stderr)
        return 2
    except imports.MissingYamlError as error:
        print(f"wayside profile: {error}", file=sys.stderr)
        return 2
    except imports.NOTHING as error:
        line = f":{error.line}" if isinstance(error, imports.NoYamlError) and error.line else ""
        print(f"{args.file}{line}: {error}", file=sys.stderr)
        return 1
    return _write(args, name, made, draft)


def _write(args: argparse.Namespace, name: str, made: str, draft: imports.Draft) -> int:
    for line, told in draft.in_order():
        print(f"{args.file}:{line}: {told}", file=sys.stderr)
    out: Path = args.out or library_option.folder(args) / profiles.library.FOLDER / f"{name}.toml"
    try:
        if not args.out:
            out.parent.mkdir(exist_ok=True)
        if out.exists():
            print(f"{out}: is there already; give another --name or --out", file=sys.stderr)
            return 2
        replace_file(out, made.encode())
    except OSError as error:
        print(f"cannot be written: {reason(error)}", file=sys.stderr)
        return 2
    print(f"{out}: {len(draft.channels)} channels; {len(draft.left)} things to look at")
    return 0


def _text(file: Path) -> str:
    if file.stat().st_size > _LARGEST:
        raise imports.NothingToImportError(f"is larger than {_LARGEST} bytes; give a smaller file")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise imports.NothingToImportError(f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _lint(files: list[Path]) -> int:
    status = 0
    for file in files:
        try:
            profile = profiles.load_file(file)
        except ProfileError as error:
            print(error, file=sys.stderr)
            status = 1
            continue
        if file.absolute().parent.name == profiles.library.FOLDER and file.stem != profile.name:
            print(profiles.library.misnamed(file, profile), file=sys.stderr)
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
        if field.unit in ("J", "vars", "VAs") and not name.startswith("energy_"):
            yield f"advice: {name} is energy, but no counter: nothing watches it; a counter's name begins with energy_"
    for name, field in profile.fields.items():
        if name.startswith("energy_") and field.kind == "f" and field.count == 2:
            yield f"advice: {name} is a float32: it loses counts as it grows; use an integer register if there is one"
            break
