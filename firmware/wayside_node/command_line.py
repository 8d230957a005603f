"""What the command lines of all roles share."""

import select
import sys

import board
from micropython import const

from .config import ConfigError
from .keys import IdentityError
from .supervisor import said

_PATIENCE_MS = const(20)  # for a terminal that reads: it takes a packet a millisecond


def parse(arguments, program: str):
    """(path of the configuration, whether only the public key is asked for); None after a word about wrong usage."""
    public_key = "--public-key" in arguments
    arguments = [argument for argument in arguments if argument != "--public-key"]
    if len(arguments) != 2 or arguments[0] != "--config":
        say("usage: %s --config FILE [--public-key]" % program)
        return None
    return arguments[1], public_key


def say(text: str) -> None:
    """A line for who reads the console, as far as it is taken.

    For a terminal that is connected and reads nothing, print() waits a second on an RP2040 (USB CDC), in which no line
    is listened to and nobody feeds the watchdog.
    """
    console = select.poll()
    console.register(sys.stderr, select.POLLOUT)
    for letter in text + "\n":
        if not console.poll(_PATIENCE_MS):
            return
        sys.stderr.write(letter)


def started(run, store=None) -> int:
    """The exit status of an application: 0 done, or a technician wants the prompt; 1 it cannot run, which is said.

    run(); store: its ConfigStore: with a configuration on trial the board starts again, until begin() goes back.
    """
    try:
        run()
        return 0
    except KeyboardInterrupt:
        return 0
    except (ConfigError, IdentityError) as error:
        why = str(error)
    except OSError as error:
        why = "%s; the node needs a directory that it can write to" % said(error)
    except Exception as error:
        sys.print_exception(error)
        why = said(error)
    say(why)
    if store is not None and store.trying:
        try:
            store.note(why)
        except Exception:  # the start was counted before it began: that is enough
            pass
        board.reset()
    return 1


def jitter(limit: int) -> int:
    """A random number below `limit`, at most 65,536."""
    return int.from_bytes(board.urandom(2), "big") * limit >> 16
