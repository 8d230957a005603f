"""Commands from the gateway to one node, signed by the gateway's key, and what may be asked.

A command names its node and carries a number that only grows, so that it counts once and for this node alone. Answers
are small: whoever wants a long text asks for it piece by piece.
"""

from collections import namedtuple

from . import WireError, cbor
from .statement import open_statement, sign_statement

CONTENT_TYPE = "application/wayside-command"

INFO = "info"
COUNTERS = "counters"
LOG = "log"
CONFIG_READ = "config read"
CONFIG_WRITE = "config write"
CONFIG_USE = "config use"
SELFTEST = "selftest"
REBOOT = "reboot"

_UINT, _BYTES = 0, 1
VERBS = {
    INFO: (),
    COUNTERS: (),
    LOG: (_UINT,),  # the first line wanted
    CONFIG_READ: (_UINT,),  # offset
    CONFIG_WRITE: (_UINT, _BYTES),  # offset, piece
    CONFIG_USE: (_UINT, _BYTES),  # size, SHA-256 of what was written
    SELFTEST: (),
    REBOOT: (),
}
"""What each verb's arguments are."""

ON_TRIAL = "configuration on trial"
"""Counter of a node that has to be given a command, any that it does, for its new configuration to stay."""

PIECE = 640  # bytes of a configuration in one command or answer

OK, REFUSED, REPLAYED, FAILED = 0, 1, 2, 3
"""Status of an answer: done; not a command for this node by its gateway; a number used before; the text says why."""

Command = namedtuple("Command", ("node", "number", "verb", "arguments"))
"""node: 8 bytes, key id of the node; number: 64 bits at most; arguments: as VERBS has them."""


def sign_command(command: Command, kid: bytes, sign) -> bytes:
    """The bytes of a command by the gateway's key `kid`; ValueError for one that open_command() would refuse."""
    wrong = _wrong(command)
    if wrong:
        raise ValueError("command: " + wrong)
    return sign_statement(CONTENT_TYPE, kid, command, sign)


def open_command(raw: bytes, verify) -> Command:
    """The command in bytes that `verify(kid, message, signature) -> bool` accepts; WireError otherwise."""

    def check(kid, fields, message, signature):
        return verify(kid, message, signature)

    command = Command(*open_statement(raw, CONTENT_TYPE, 4, check)[1])
    wrong = _wrong(command)
    if wrong:
        raise WireError("command: " + wrong)
    return command


def _wrong(command) -> str:
    """What is wrong with a command, empty when nothing is."""
    if not (isinstance(command.node, bytes) and len(command.node) == 8):
        return "the node's key id is not 8 bytes"
    if not _is_uint(command.number):
        return "the number is not an unsigned integer"
    if not isinstance(command.verb, str) or command.verb not in VERBS:
        return "unknown verb"
    wanted = VERBS[command.verb]
    arguments = command.arguments
    if not isinstance(arguments, (list, tuple)) or len(arguments) != len(wanted):
        return "%s has %d arguments" % (command.verb, len(wanted))
    for argument, kind in zip(arguments, wanted):
        if not (_is_uint(argument) if kind == _UINT else isinstance(argument, bytes)):
            return "an argument of %s is of the wrong type" % command.verb
    return ""


def _is_uint(value) -> bool:
    return cbor.is_int(value) and 0 <= value < 0x10000000000000000
