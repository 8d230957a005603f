"""The node's identity: an Ed25519 seed made on the board, and the counters that go with it.

`node.key` is the seed and its CRC-32 (little-endian): any 32 bytes are a key, so nothing else would tell that flash has
turned a bit over. A file of earlier firmware, the seed alone, gets its check sum at the next start. `node.key.copy` is
the same once more, for a node whose key is gone has to be visited; of two that are whole and differ, `node.key` counts.
"""

from wayside_wire.pack import key_id

from .checked import checked, unchecked
from .counters import Counters, CountersLost

_SEED_SIZE = 32  # RFC 8032 section 5.1.5
_COPY = ".copy"


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
    seed = _kept_seed(files, directory)
    if seed is None:
        _refuse_a_second_identity(files, directory, counters)
        # The key comes last and by renames: a cut on the way leaves none, and the next start begins again, or a copy.
        files.make_directory(directory)
        counters.create()
        seed = urandom(_SEED_SIZE)
        files.exchange(key_path + _COPY, checked(seed))
        files.exchange(key_path, checked(seed))
    for path in (key_path, key_path + _COPY):
        if files.read_or_empty(path) != checked(seed):
            try:
                files.exchange(path, checked(seed))
            except OSError:  # a full flash: the next start does it
                pass
    try:
        counters.load()
    except CountersLost:
        # Going on would sign a second history under numbers that were used before.
        raise IdentityError(
            "%s/counters.0 and .1 are lost, and with them the boot number: remove all of %s to have a new key made, "
            "and enrol the node again" % (directory, directory)
        )
    return Identity(seed, ed25519, counters)


def _kept_seed(files, directory: str):
    """Of the key, else of its copy; None where there is neither. IdentityError, OSError where both are spoilt."""
    key_path = directory + "/node.key"
    refused = None
    try:
        data = files.read(key_path)
    except OSError as error:
        data = b""
        refused = error
    if data is not None and len(data) == _SEED_SIZE:
        return data
    for content in (data, files.read_or_empty(key_path + _COPY)):
        seed = unchecked(content)
        if seed is not None and len(seed) == _SEED_SIZE:
            return seed
    if refused is not None:
        raise refused
    if data is not None:
        raise IdentityError(
            "%s is damaged: put the key back, or remove all of %s to have a new key made, and enrol the node again"
            % (key_path, directory)
        )
    return None


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
