"""What the command lines of all roles share."""

import sys

import board


def parse(arguments, program: str):
    """(path of the configuration, whether only the public key is asked for); None after a word about wrong usage."""
    public_key = "--public-key" in arguments
    arguments = [argument for argument in arguments if argument != "--public-key"]
    if len(arguments) != 2 or arguments[0] != "--config":
        say("usage: %s --config FILE [--public-key]" % program)
        return None
    return arguments[1], public_key


def say(text: str) -> None:
    print(text, file=sys.stderr)


def jitter(limit: int) -> int:
    """A random number below `limit`, at most 65,536."""
    return int.from_bytes(board.urandom(2), "big") * limit >> 16
