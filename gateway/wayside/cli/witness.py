"""`wayside witness`: a co-signing service for the logs of other sites (C2SP tlog-witness).

Exit status: 0 stopped, 2 the settings, the key, the database or the address cannot be used.
"""

import argparse
import asyncio
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayside.cli.command_line import whole
from wayside.evidence import EvidenceError
from wayside.evidence.note import COSIGNATURE, NoteKey
from wayside.net import http
from wayside.text.reason import reason
from wayside.trust.keys import KeyFileError, load_or_create
from wayside.witness.settings import WitnessFileError, WitnessSettings, from_flags, load
from wayside.witness.witness import Witness

if TYPE_CHECKING:
    from wayside.witness.service import WitnessServer


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("witness", help="co-sign the checkpoints of other sites' logs")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a witness file, TOML, instead of all that follows")
    parser.add_argument("state", nargs="?", metavar="FOLDER", help="where its key and its memory are kept")
    parser.add_argument("--name", help="its name in cosignatures, such as witness.example/w1")
    log_help = "verifier key of a log that is co-signed, in all its epochs; once per site"
    parser.add_argument("--log", dest="logs", action="append", metavar="KEY", help=log_help)
    parser.add_argument("--host", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=whole(0, 10**9), help="default: 8431")


def run(args: argparse.Namespace) -> int:
    flags = {name: value for name in _FLAGS if (value := getattr(args, name)) is not None}
    try:
        if args.config and flags:
            raise WitnessFileError([f"--config FILE stands alone; put {', '.join(flags)} into the file"])
        settings = load(args.config) if args.config else from_flags(flags)
        folder = (args.config.parent if args.config else Path()) / settings.state
        server = _server(settings, folder)
    except (http.MissingExtraError, WitnessFileError, EvidenceError, KeyFileError, OSError, sqlite3.Error) as error:
        print(f"wayside witness: {reason(error)}", file=sys.stderr)
        return 2
    with suppress(KeyboardInterrupt):
        asyncio.run(server.run())
    return 0


_FLAGS = ("state", "name", "logs", "host", "port")


def _server(settings: WitnessSettings, folder: Path) -> "WitnessServer":
    """aiohttp is an extra, so what needs it is imported only now."""
    http.require("wayside witness")
    from wayside.witness.service import WitnessServer

    folder.mkdir(parents=True, exist_ok=True)
    database, key_file = folder / "witness.sqlite", folder / "witness.key"
    if database.exists() and not key_file.exists():
        raise KeyFileError(
            f"{key_file} is missing, and its memory {database.name} is here: bring the key back from its backup; nobody"
            f" would believe another one. To begin anew as another witness, move {folder} away"
        )
    secret = load_or_create(key_file)
    key = NoteKey(settings.name, COSIGNATURE, secret.public)
    witness = Witness(database, key, secret.sign, settings.logs, lambda: int(time.time()))
    server = WitnessServer((settings.host, settings.port), witness)
    host, port = server.server_address
    print(f"witness  {key}\nserving  http://{host}:{port}/add-checkpoint", flush=True)
    return server
