"""A session of the link: keys that a node and its gateway agree on, and messages that nobody else can make.

The node says hello with a fresh X25519 share; the gateway's welcome signs both shares, and keeps nothing; the node's
confirmation signs both, and with it the session stands at the gateway. From then on every message is sealed: HMAC
256/64 under the key of its direction, over the session's id, a number that only grows, and the message. What an
attacker can do with each of these messages, and why it is so: decision 0014.

`native` has x25519_public_key, x25519_shared_secret and ed25519_verify, as the node's module wayside_native.
"""

from collections import namedtuple

from . import WireError, link
from .cbor import is_int
from .mac import Hmac
from .pack import key_id
from .statement import open_statement, sign_statement
from .text import is_printable

# A signature is the gateway's or the node's by its type, so that none can be sent back to who made it.
WELCOME_TYPE = "application/wayside-welcome"
CONFIRM_TYPE = "application/wayside-confirm"

_SALT = b"wayside link 2"
_SHARE = 32

NodeIdentity = namedtuple("NodeIdentity", ("boot", "board", "firmware"))
"""What a node says of itself when it confirms. boot: 32 bits; board, firmware: text of at most 128 characters."""


def _eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


class LinkSession:
    """One end of a session. `id`: 8 bytes; `sent`, `heard`: numbers of the last messages."""

    def __init__(self, session_id: bytes, ours: Hmac, theirs: Hmac):
        """ours, theirs: keys of what this end says and of what it hears."""
        self.id = session_id
        self.sent = 0
        self.heard = 0
        self._ours = ours
        self._theirs = theirs

    def seal(self, message) -> bytes:
        """The bytes of a sealed message that holds this one of `link`; its number is in `sent`."""
        self.sent += 1
        inner = link.encode(message)
        tag = self._ours.tag(self.id, _eight(self.sent), inner)
        return link.encode_sealed(self.id, self.sent, inner, tag)

    def open(self, sealed):
        """The message in a link.Sealed of the other end, each once and in order; WireError for anything else."""
        if sealed.session != self.id or sealed.number <= self.heard:
            raise WireError("link: a sealed message that was heard before, or of another session")
        if not self._theirs.fits(sealed.tag, self.id, _eight(sealed.number), sealed.message):
            raise WireError("link: a seal that does not fit")
        self.heard = sealed.number
        message = link.decode(sealed.message)
        if isinstance(message, link.UNSEALED):
            raise WireError("link: a sealed message that is none")
        return message


class NodeEnd:
    """What a node needs to agree with its gateway, whose 32-byte public key it knows from its configuration."""

    def __init__(self, public: bytes, sign, gateway: bytes, native, urandom, about: NodeIdentity):
        """public, sign(message): the node's own key; urandom(size): random bytes."""
        self._public = public
        self._kid = key_id(public)
        self._sign = sign
        self._gateway = gateway
        self._native = native
        self._urandom = urandom
        self._about = about
        self._secret = b""
        self._share = b""

    def hello(self):
        """A link.Hello. Its share is the same until answer() has used it."""
        if not self._secret:
            self._secret = self._urandom(_SHARE)
            self._share = self._native.x25519_public_key(self._secret)
        return link.Hello(link.VERSION, self._kid, self._share)

    def is_asked(self, welcome) -> bool:
        """Whether a link.Welcome has the share of the last hello in it: a look that costs nothing."""
        return bool(self._secret) and welcome.raw.find(self._share) >= 0

    def answer(self, welcome):
        """(link.Confirm, LinkSession) to a link.Welcome of the gateway to the last hello; WireError otherwise."""
        own = [link.VERSION, self._kid, self._share]

        def check(kid, fields, message, signature):
            if not (self._secret and kid == key_id(self._gateway) and fields[:3] == own and _is_share(fields[3])):
                return False
            return self._native.ed25519_verify(self._gateway, message, signature)

        share = open_statement(welcome.raw, WELCOME_TYPE, 4, check)[1][3]
        keys = _agree(self._native, self._secret, share, (self._public, self._gateway, self._share, share))
        session = LinkSession(keys[0], keys[2], keys[1])
        fields = (link.VERSION, key_id(self._gateway), self._share, share) + tuple(self._about)
        confirm = link.Confirm(sign_statement(CONFIRM_TYPE, self._kid, fields, self._sign))
        self._secret = b""
        return confirm, session


class GatewayEnd:
    """What a gateway needs to agree with one node. `session`: the one that stands, None without."""

    def __init__(self, public: bytes, sign, native, urandom):
        """public, sign(message): the gateway's own key; urandom(size): random bytes."""
        self._public = public
        self._kid = key_id(public)
        self._sign = sign
        self._native = native
        self._urandom = urandom
        self._last_confirm = None
        self.forget()

    def forget(self) -> None:
        """No session stands any more."""
        self.session = None
        self._before = None  # what the node may still use until it knows of the new one
        self._renew()

    def welcome(self, hello):
        """The link.Welcome to a link.Hello. Nothing else changes, whoever sent it."""
        fields = (link.VERSION, hello.kid, hello.share, self._share)
        return link.Welcome(sign_statement(WELCOME_TYPE, self._kid, fields, self._sign))

    def confirm(self, confirm, node: bytes):
        """The NodeIdentity in a link.Confirm by the node's 32-byte public key to our last share; then `session` is the
        new one. None for a repetition of the one that made the session; WireError for anything else."""
        if confirm.raw == self._last_confirm:
            return None

        def check(kid, fields, message, signature):
            if kid != key_id(node) or fields[:2] != [link.VERSION, self._kid] or fields[3] != self._share:
                return False
            if not _is_share(fields[2]) or not _is_about(fields[4:]):
                return False
            return self._native.ed25519_verify(node, message, signature)

        fields = open_statement(confirm.raw, CONFIRM_TYPE, 7, check)[1]
        keys = _agree(self._native, self._secret, fields[2], (node, self._public, fields[2], self._share))
        self._before = self.session
        self.session = LinkSession(keys[0], keys[1], keys[2])
        self._last_confirm = confirm.raw
        self._renew()
        return NodeIdentity(*fields[4:])

    def open(self, sealed):
        """The message in a link.Sealed of the node; WireError for what is not the node's, is not new, or is of no
        session that stands."""
        if self._before and sealed.session == self._before.id:
            return self._before.open(sealed)
        if self.session is None:
            raise WireError("link: no session stands")
        message = self.session.open(sealed)
        self._before = None
        return message

    def knows(self, session_id: bytes) -> bool:
        """Whether a session of this id stands."""
        return session_id in [each.id for each in (self.session, self._before) if each]

    def _renew(self) -> None:
        self._secret = self._urandom(_SHARE)
        self._share = self._native.x25519_public_key(self._secret)


def _agree(native, secret: bytes, share: bytes, parties) -> tuple:
    """(session id, key of the gateway's words, key of the node's) by HKDF-SHA-256 (RFC 5869).

    parties: public keys of node and gateway, shares of node and gateway. WireError for a share of small order.
    """
    try:
        shared = native.x25519_shared_secret(secret, share)
    except ValueError as error:
        raise WireError("link: a share that cannot be used: %s" % error)
    expand = Hmac(Hmac(_SALT).digest(shared))
    info = b"".join(parties) + b"\x01"
    return (
        expand.digest(b"session" + info)[:8],
        Hmac(expand.digest(b"gateway to node" + info)),
        Hmac(expand.digest(b"node to gateway" + info)),
    )


def _is_share(value) -> bool:
    return isinstance(value, bytes) and len(value) == _SHARE


def _is_about(fields) -> bool:
    boot, board, firmware = fields
    return is_int(boot) and 0 <= boot <= 0xFFFFFFFF and is_printable(board, 128) and is_printable(firmware, 128)
