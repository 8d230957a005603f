"""The option --site of commands that need no site file, but know the profiles beside it."""

import argparse
from pathlib import Path

from wayside.cli.command_line import whole
from wayside.profiles import Library, Profile
from wayside.profiles.model import fraction


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--site",
        type=Path,
        default=Path("wayside.toml"),
        metavar="SITE",
        help="the site file, or where it will be: profiles of your own are in the folder profiles beside it "
        "(default: %(default)s)",
    )


def add_site_of_meter(parser: argparse.ArgumentParser, when: str = "") -> None:
    """--part, --ct-ratio and --vt-ratio: what a site file says of a meter, and its profile does not."""
    parser.add_argument("--part", type=whole(1, 100), default=1, help=f"which of several meters in one device{when}")
    parser.add_argument("--ct-ratio", type=fraction, metavar="P/S", help=f"of its current transformers{when}")
    parser.add_argument("--vt-ratio", type=fraction, metavar="P/S", help=f"of its voltage transformers{when}")


def at_site(args: argparse.Namespace, profile: Profile) -> Profile:
    """The profile with what the options of add_site_of_meter() say. ProfileError where they do not fit it."""
    return profile.for_site(args.ct_ratio, args.vt_ratio, args.part)


def folder(args: argparse.Namespace) -> Path:
    """Where the site file is, whose folder `profiles` is looked into."""
    site: Path = args.site
    return site.absolute().parent


def load(args: argparse.Namespace, name: str) -> Profile:
    """The profile of a name, or of a path as it was typed: from the folder where that was. ProfileError otherwise."""
    typed = Path(name)
    return Library(folder(args)).load(str(typed.absolute()) if "/" in name or typed.suffix == ".toml" else name)
