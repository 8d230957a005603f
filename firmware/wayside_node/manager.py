"""Does what the gateway commands, once, and nothing that anybody else does."""

import hashlib

from wayside_wire import WireError, cbor, link
from wayside_wire.command import FAILED, OK, REFUSED, REPLAYED, open_command
from wayside_wire.pack import key_id
from wayside_wire.text import printable

from . import BUILT_MS, SERVICE_MS
from .config import ConfigError
from .supervisor import said

_MAX_TEXT = 200


class Manager:
    """`answer(raw)` is the node's link.CommandAnswer to a signed command. `counts` says what was refused."""

    def __init__(self, kid: bytes, gateway, verify, counters, verbs):
        """gateway: the gateway's 32-byte public key, None when no command counts; verify: as ed25519_verify.

        verbs: {verb: function of the arguments} whose results cbor can encode. What one of them raises becomes the
        answer's text, and costs nobody else anything.
        """
        self._kid = kid
        self._gateway = gateway
        self._ed25519_verify = verify
        self._counters = counters
        self._verbs = verbs
        self._last = b""  # hash of the last command that was done ...
        self._last_answer = None  # ... and what was answered
        self.has_obeyed = False  # a command has been done since the start
        self.counts = {}

    def answer(self, raw: bytes):
        """Do the command in `raw`, if it is one for this node. Writes flash: not while a bus transaction is open."""
        digest = hashlib.sha256(raw).digest()
        if digest == self._last:
            self._count("commands repeated")
            return self._last_answer
        try:
            command = self._open(raw)
        except WireError as error:
            self._count("commands refused")
            return link.CommandAnswer(0, REFUSED, printable(str(error), _MAX_TEXT).encode())
        try:
            if not self._counters.take_command(command.number):
                self._count("commands replayed")
                text = "number %d is not above %d" % (command.number, self._counters.command)
                return link.CommandAnswer(command.number, REPLAYED, text.encode())
        except OSError as error:
            return self._failed(command, "the flash refuses: %s" % error)
        answer = self._do(command)
        self._last = digest
        self._last_answer = answer
        return answer

    def is_new(self, raw: bytes, verb: str) -> bool:
        """Whether `raw` asks for `verb` and is not the last command once more. Says nothing of who made it."""
        try:
            return hashlib.sha256(raw).digest() != self._last and open_command(raw, _anybody).verb == verb
        except WireError:
            return False

    def _open(self, raw: bytes):
        gateway = self._gateway
        if gateway is None:
            raise WireError("command: no key of a gateway is configured; add `gateway`")

        def verify(kid, message, signature):
            return kid == key_id(gateway) and self._ed25519_verify(gateway, message, signature)

        command = open_command(raw, verify)
        if command.node != self._kid:
            raise WireError("command: for another node")
        if command.number >= BUILT_MS + SERVICE_MS:
            raise WireError("command: the number is no time of a gateway: after it no other one would count")
        return command

    def _do(self, command):
        if command.verb not in self._verbs:
            return self._failed(command, "%s: a node of this role cannot do it" % command.verb)
        try:
            data = cbor.encode(self._verbs[command.verb](*command.arguments))
        except OSError as error:
            return self._failed(command, "the flash refuses: %s" % error)
        except MemoryError:
            return self._failed(command, "not enough memory")
        except ConfigError as error:
            return self._failed(command, str(error))
        except Exception as error:
            return self._failed(command, said(error))
        if len(data) > link.MAX_DATA:
            return self._failed(command, "the result of %d bytes is over %d" % (len(data), link.MAX_DATA))
        self.has_obeyed = True
        self._count("commands done")
        return link.CommandAnswer(command.number, OK, data)

    def _failed(self, command, text: str):
        self._count("commands failed")
        return link.CommandAnswer(command.number, FAILED, printable(text, _MAX_TEXT).encode())

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def _anybody(kid, message, signature) -> bool:
    return True
