"""The command `wayside`: one small file per command, imported only when it is the one that was typed.

A command module has `add_parser(subparsers)` and `run(args) -> exit status`. It may import everything; nothing imports
it.
"""

import argparse
import importlib
import sys
from collections.abc import Collection, Sequence
from typing import Any

from wayside.cli.command_line import Parser, VersionAction
from wayside.text.printable import terminals
from wayside.text.reason import reason

COMMANDS = {
    "run": "run the gateway of a site file",
    "check": "check a site file and explain every error",
    "config": "change a site file, with history and a way back",
    "demo": "run the whole path on simulated meters, with a broker and a receiver",
    "receive": "subscribe, verify everything that arrives and show it",
    "verify": "verify an evidence file, offline",
    "log": "look into the log",
    "export": "write an evidence file",
    "keys": "make, certify, enrol, replace, revoke, rotate and back up keys",
    "flash": "put image, configuration and key onto a board; test and label it",
    "node": "list the nodes; inspect, configure or restart a node",
    "ble": "list the Bluetooth beacons, accept a counter that has started again",
    "settle": "recompute a meter's energy from an evidence file",
    "desk": "show the wanted values of devices, request a value, withdraw a request",
    "signals": "run, check and explain a junction's signals",
    "witness": "co-sign the checkpoints of other sites' logs",
    "support-bundle": "write a file for support, without secrets",
    "clock": "show whether the gateway's clock is believed, confirm it",
    "top": "watch the running gateway's status",
    "status": "show the running gateway's status",
    "lora": "plan what a LoRa site can send",
    "scan": "find the Modbus devices on a line and print a site file for them",
    "read": "show a device's values with their raw registers",
    "sniff": "show the Modbus traffic of a line that another master owns",
    "profile": "check and list device profiles, make a profile from another program's file",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. A usage error exits with 2, and so does a file that nobody expected."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = words[0] if words else ""
    try:
        args = parser(words[:1]).parse_args(words)
        # What a command shows are often words of strangers: of nodes, of meters, out of evidence files and messages.
        with terminals():
            return int(module(args.command).run(args))
    except KeyboardInterrupt:
        return 130
    except EOFError:
        print(f"wayside {command}: nothing was typed; start again", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        print(f"wayside {command}: {reason(error)}", file=sys.stderr)
        return 2


def parser(commands: Collection[str] = COMMANDS.keys()) -> argparse.ArgumentParser:
    """The command line, whole for these commands; of the others only the summary, for their modules stay unloaded."""
    made = Parser(prog="wayside", description="The kerb-side edge: evidence from the register on.")
    made.add_argument("--version", action=VersionAction, nargs=0, help="show the version and exit")
    subparsers = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name in commands:
            module(name).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    return made


def module(command: str) -> Any:
    """The module of a command."""
    return importlib.import_module(f"wayside.cli.{command.replace('-', '_')}")
