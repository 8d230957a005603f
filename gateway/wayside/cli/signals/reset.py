"""`wayside signals reset FOLDER`: forget the monitor's fault; somebody has looked at the junction."""

import argparse

from wayside.cli.signals import SignalsError
from wayside.control.monitor.latch import ask_reset
from wayside.text.reason import reason


def run(args: argparse.Namespace) -> int:
    if not args.state.is_dir():
        raise SignalsError(f"{args.state}: is no folder; name the monitor's --state")
    try:
        fault = ask_reset(args.state)
    except OSError as error:
        raise SignalsError(f"{reason(error)}; mend the disk or the rights, and type it again") from None
    print(f"resetting: {fault}" if fault else "there is no fault")
    return 0
