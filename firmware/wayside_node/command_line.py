"""What the command lines of all roles share."""

import sys

import board

from .config import ConfigError
from .keys import IdentityError
from .supervisor import said


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
