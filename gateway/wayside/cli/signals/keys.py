"""`wayside signals keys`: fresh keys for a node's two lines."""

import argparse
import secrets

from wayside.control.head_line import KEY_SIZE


def run(args: argparse.Namespace) -> int:
    for master in ("controller", "monitor"):
        print(f"{master}  {secrets.token_hex(KEY_SIZE)}")
    return 0
