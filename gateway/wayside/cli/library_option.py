"""The option --site of commands that need no site file, but know the profiles beside it."""

import argparse
from pathlib import Path

from wayside.profiles import Library, Profile


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--site",
        type=Path,
        default=Path("wayside.toml"),
        metavar="SITE",
        help="the site file, or where it will be: profiles of your own are in the folder profiles beside it "
        "(default: %(default)s)",
    )


def folder(args: argparse.Namespace) -> Path:
    """Where the site file is, whose folder `profiles` is looked into."""
    site: Path = args.site
    return site.absolute().parent


def load(args: argparse.Namespace, name: str) -> Profile:
    """The profile of a name, or of a path as it was typed: from the folder where that was. ProfileError otherwise."""
    typed = Path(name)
    return Library(folder(args)).load(str(typed.absolute()) if "/" in name or typed.suffix == ".toml" else name)
