"""The node's identity: an Ed25519 seed made on the board, and the counters that go with it.

`node.key` is the seed and its CRC-32 (little-endian): any 32 bytes are a key, so nothing else would tell that flash has
turned a bit over. A file of earlier firmware, the seed alone, gets its check sum at the next start.
"""

from wayside_wire.pack import key_id

from .checked import checked
from .counters import Counters, CountersLost

_SEED_SIZE = 32  # RFC 8032 section 5.1.5


class IdentityError(Exception):
    """Key or counters cannot be used; the text says what to do."""


class Identity:
    """`public` (32 bytes), `kid` (8 bytes), `sign(message) -> 64 bytes` and the `counters` of this node."""

    def __init__(self, seed: bytes, ed25519, counters: Counters):
        """ed25519: the native module, with ed25519_public_key and ed25519_sign."""
        self._seed = seed
        self._sign = ed25519.ed25519_sign
        self.public = ed25519.ed25519_public_key(seed)
        self.kid = key_id(self.public)
        self.counters = counters

    def sign(self, message: bytes) -> bytes:
        return self._sign(self._seed, self.public, message)


def open_identity(files, directory: str, ed25519, urandom) -> Identity:
    """The identity kept in `directory`; made there on the first start with `urandom(size)`."""
    key_path = directory + "/node.key"
    counters = Counters(files, directory + "/counters")
    data = files.read(key_path)
    if data is None:
        _refuse_a_second_identity(files, directory, counters)
        # The key comes last and by a rename: a cut on the way leaves no key, and the next start begins again.
        files.make_directory(directory)
        counters.create()
        data = checked(urandom(_SEED_SIZE))
        _write(files, key_path, data)
    seed = data[:_SEED_SIZE]
    if len(data) == _SEED_SIZE:
        try:
            _write(files, key_path, checked(seed))
        except OSError:  # a full flash: the next start does it
            pass
    elif data != checked(seed):
        raise IdentityError(
            "%s is damaged: put the key back, or remove all of %s to have a new key made, and enrol the node again"
            % (key_path, directory)
        )
    try:
        counters.load()
    except CountersLost:
        # Going on would sign a second history under numbers that were used before.
        raise IdentityError(
            "%s/counters.0 and .1 are lost, and with them the boot number: remove all of %s to have a new key made, "
            "and enrol the node again" % (directory, directory)
        )
    return Identity(seed, ed25519, counters)


def _write(files, path: str, data: bytes) -> None:
    files.replace(path + ".new", data)
    files.rename(path + ".new", path)


def _refuse_a_second_identity(files, directory: str, counters) -> None:
    """A key that is gone from beside what it has signed is a loss, and no first start."""
    try:
        counters.load()
        boots = counters.boot
    except CountersLost:
        boots = 0  # none, or a cut while the first ones were made
    if boots or files.names(directory + "/journal"):
        raise IdentityError(
            "%s/node.key is gone, but what it has signed is there: put the key back; or remove all of %s, which loses "
            "the packs in its journal, and enrol the node again" % (directory, directory)
        )
