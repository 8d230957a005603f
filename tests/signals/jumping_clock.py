"""`wayside signals run` with a wall clock that SIGUSR1 sets forward by an hour; arguments as the command has them."""

import argparse
import signal
import sys

from wayside.cli.signals import add_parser
from wayside.cli.signals.run import control
from wayside.runtime.clock import SystemClock


class JumpingClock(SystemClock):
    jumped_ms = 0

    def utc_ms(self) -> int:
        return super().utc_ms() + self.jumped_ms

    def jump(self, *_: object) -> None:
        self.jumped_ms += 3_600_000


clock = JumpingClock()
signal.signal(signal.SIGUSR1, clock.jump)
parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers(dest="command"))
sys.exit(control(parser.parse_args(["signals", "run", *sys.argv[1:]]), clock))
