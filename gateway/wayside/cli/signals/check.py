"""`wayside signals check FILE`."""

import argparse

from wayside.cli.signals.load import load_site


def run(args: argparse.Namespace) -> int:
    site = load_site(args.file)
    groups, channels = len(site.junction.groups), len(site.junction.channels)
    print(
        f"{args.file}: good: {groups} signal groups on {channels} channels, {len(site.plans)} plans, "
        f"{len(site.detectors)} detectors"
    )
    return 0
