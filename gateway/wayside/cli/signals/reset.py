"""`wayside signals reset FOLDER`: forget the monitor's fault; somebody has looked at the junction."""

import argparse

from wayside.cli.signals import SignalsError
from wayside.control.monitor.monitor import ask_reset


def run(args: argparse.Namespace) -> int:
    if not args.state.is_dir():
        raise SignalsError(f"{args.state}: is no folder; name the monitor's --state")
    fault = ask_reset(args.state)
    print(f"resetting: {fault}" if fault else "there is no fault")
    return 0
