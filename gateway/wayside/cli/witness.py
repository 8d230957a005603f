"""`wayside witness`: a co-signing service for the logs of other sites (C2SP tlog-witness).

Exit status: 0 stopped, 2 the key, the database, a log's key or the address cannot be used.
"""

import argparse
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from wayside.evidence import EvidenceError
from wayside.evidence.note import COSIGNATURE, NoteKey, parse_key
from wayside.trust.keys import KeyFileError, load_or_create
from wayside.witness.service import WitnessServer
from wayside.witness.witness import Witness


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("witness", help="co-sign the checkpoints of other sites' logs")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its key and its memory are kept")
    parser.add_argument("--name", required=True, help="its name in cosignatures, such as witness.example/w1")
    log_help = "verifier key of a log that is co-signed; once per log and epoch"
    parser.add_argument("--log", action="append", required=True, metavar="KEY", help=log_help)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8431)


def run(args: argparse.Namespace) -> int:
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
        secret = load_or_create(args.folder / "witness.key")
        key = NoteKey(args.name, COSIGNATURE, secret.public)
        parse_key(str(key))  # refuses a name that no note may have
        logs = [parse_key(text) for text in args.log]
        witness = Witness(args.folder / "witness.sqlite", key, secret.sign, logs, lambda: int(time.time()))
        server = WitnessServer((args.host, args.port), witness)
    except (EvidenceError, KeyFileError, OSError, OverflowError, sqlite3.Error) as error:
        print(f"wayside witness: {error}", file=sys.stderr)
        return 2
    host, port = server.server_address[:2]
    print(f"witness  {key}\nserving  http://{host!s}:{port}/add-checkpoint", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0
