"""`wayside receive`: subscribe to a site's verifiable MQTT, check everything, show it, end with the account.

Exit status: 0 everything verified and nothing is missing, 1 something is not right or nothing came, 2 wrong usage,
3 the log's key signed what cannot be, 4 nothing is wrong, but not everything could be verified.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from wayside.cli import broker_options
from wayside.cli.command_line import seconds
from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import check_public
from wayside.evidence.fraud_batches import write_batch_fraud
from wayside.evidence.note import parse_log_key
from wayside.evidence.origin import parse_origin
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside.receiver.screen import Screen
from wayside.receiver.view import Verdict, summary, verdict
from wayside.text.printable import printable
from wayside.text.reason import reason

_DRAIN_TURNS = 40
_STATUS = {Verdict.GOOD: 0, Verdict.NOTHING: 1, Verdict.WRONG: 1, Verdict.FRAUD: 3, Verdict.NOT_ALL_KNOWN: 4}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("receive", help="subscribe, verify everything that arrives and show it")
    broker_options.add(parser)
    add = parser.add_argument
    add("--key", required=True, metavar="VKEY", help="the log's verifier key, name+id+base64")
    add("--device-key", action="append", default=[], metavar="DEVICE=HEX", help="pin a device's key; * for all devices")
    add("--client-id", default="", help="the broker keeps messages while this receiver is away")
    add("--fraud-file", type=Path, metavar="FILE", help="where to write the proof of a fraud by the log's key")
    add("--seconds", type=seconds, help="stop by itself after so long")


def run(args: argparse.Namespace) -> int:
    try:
        broker, key, keys = broker_options.broker(args), parse_log_key(args.key), _device_keys(args.device_key)
    except (ValueError, OSError) as error:
        print(f"wayside receive: {reason(error)}", file=sys.stderr)
        return 2
    site = parse_origin(key.name).site
    screen = Screen(sys.stdout, site)
    account = SiteAccount(key, keys, screen.take)
    receiver = SiteReceiver(broker, site, account, args.client_id)
    asyncio.run(_receive(receiver, screen, args.seconds))
    print("\n".join(summary(account, site)))
    if not account.batches:
        print(f"wayside receive: {printable(receiver.state)}", file=sys.stderr)
    if args.fraud_file and account.proofs():
        write_batch_fraud(args.fraud_file, account.proofs()[0])
        print(f"wayside receive: {args.fraud_file} proves the fraud; show it to others", file=sys.stderr)
    return _STATUS[verdict(account)]


async def _receive(receiver: SiteReceiver, screen: Screen, seconds: float | None) -> None:
    """Receive and show until a signal or the end of the time."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    tasks = [
        asyncio.create_task(receiver.run()),
        asyncio.create_task(screen.run(receiver.account, lambda: receiver.state)),
        asyncio.create_task(stop.wait()),
    ]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    # A checkpoint may be ahead of its batch: what it covers gets a moment to arrive before it counts as missing.
    for _ in range(_DRAIN_TURNS):
        if receiver.account.outstanding():
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def _device_keys(texts: list[str]) -> DeviceKeys:
    keys: dict[str, list[bytes]] = {}
    for text in texts:
        device, _, digits = text.partition("=")
        try:
            public = bytes.fromhex(digits)
        except ValueError:
            public = b""
        if not device or len(public) != 32:
            raise ValueError(f"--device-key {text}: write DEVICE=HEX with the key's 64 hexadecimal digits")
        try:
            check_public(public)
        except EvidenceError as error:
            raise ValueError(f"--device-key {text}: {error}") from None
        keys.setdefault(device, []).append(public)
    return DeviceKeys(keys)
