"""The options of commands that speak to a broker; no command itself."""

import argparse
from pathlib import Path

from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.tls import Tls


def add(parser: argparse.ArgumentParser) -> None:
    """`--broker` and what goes with it."""
    option = parser.add_argument
    option("--broker", required=True, metavar="URL", help="mqtt://[USER@]HOST[:PORT], or mqtts:// for TLS")
    option("--password-file", type=Path, help="file with the broker's password")
    option("--ca-file", type=Path, help="PEM file of the authority behind the broker's certificate")
    option("--cert-file", type=Path, help="PEM file of the client's certificate")
    option("--key-file", type=Path, help="PEM file of the client's private key")
    option("--mqtt", type=int, choices=(3, 5), help="protocol version, 3 means 3.1.1; without it 5, else 3.1.1")


def broker(args: argparse.Namespace) -> Broker:
    """The broker that the options name; ValueError or OSError says what is wrong with them."""
    files = (args.ca_file, args.cert_file, args.key_file)
    password = args.password_file.read_text().rstrip("\n") if args.password_file else None
    return Broker.from_url(args.broker, password=password, tls=Tls(*files) if any(files) else None, version=args.mqtt)
