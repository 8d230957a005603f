"""What the node's parts need from outside, for tests on both interpreters: time, ports, files, keys."""

import hashlib
import os
import sys

import wayside_native
from wayside_node.clock import NodeClock
from wayside_node.files import Files
from wayside_wire import WireError, frame, link
from wayside_wire.pack import SYNCED
from wayside_wire.session import GatewayEnd, NodeEnd, NodeIdentity

# The faulty line is the Modbus tests'.
sys.path.append(__file__.rsplit("/", 2)[0] + "/modbus")

try:
    from asyncio import sleep_ms as yield_ms
except ImportError:
    import asyncio

    async def yield_ms(ms):
        await asyncio.sleep(0)


class Time:
    """A clock's `ticks_ms`, `ticks_diff` and `sleep_ms` that obey the test. A sleep only moves the time on.

    `hooks` are called with the new time after every step.
    """

    def __init__(self, at_ms=0, period=1 << 30):
        self.at_ms = at_ms
        self.period = period
        self.hooks = []

    def ticks_ms(self):
        return self.at_ms % self.period

    def ticks_diff(self, end, start):
        half = self.period // 2
        return (end - start + half) % self.period - half

    def advance(self, ms):
        self.at_ms += ms
        for hook in self.hooks:
            hook(self.at_ms)

    async def sleep_ms(self, ms):
        self.advance(max(0, ms))
        await yield_ms(0)

    def clock(self, holdover_ms=600000):
        return NodeClock(self.ticks_ms, self.ticks_diff, self.sleep_ms, holdover_ms)


class Port:
    """A line that never blocks: what the node wrote is in `written`, what it is to read is given with put()."""

    def __init__(self, room=1 << 30):
        self.written = bytearray()
        self.waiting = bytearray()
        self.room = room

    def put(self, data):
        self.waiting.extend(data)

    def readinto(self, buffer):
        size = min(len(buffer), len(self.waiting))
        if not size:
            return None
        buffer[:size] = self.waiting[:size]
        self.waiting = self.waiting[size:]
        return size

    def write(self, data):
        size = min(len(data), self.room)
        if not size:
            return None
        self.room -= size
        self.written.extend(data[:size])
        return size

    def taken(self):
        """What was written since the last call."""
        data = bytes(self.written)
        self.written = bytearray()
        return data


class EndlessPort(Port):
    """A line on which `babble` goes on and on, faster than anybody takes it, while `on`."""

    def __init__(self, babble):
        super().__init__()
        self.babble = babble
        self.on = True
        self.looks = 0  # since it was last set to 0: more of them without a pause have no end

    def readinto(self, buffer):
        if not self.on:
            return super().readinto(buffer)
        self.looks += 1
        if self.looks > 1000:
            raise AssertionError("read without an end")
        size = len(buffer)
        buffer[:] = (self.babble * (size // len(self.babble) + 1))[:size]
        return size


def flush(file):
    """All the sync that a test needs: nobody pulls this machine's plug."""
    if sys.implementation.name != "micropython":  # whose files have no buffer, and flush() to the disk
        file.flush()


def nothing(_):
    pass


def scratch(name):
    """A new empty directory; WAYSIDE_SCRATCH says where (pytest's bridge sets it)."""
    base = os.getenv("WAYSIDE_SCRATCH")
    if not base:
        raise RuntimeError("set WAYSIDE_SCRATCH to a directory for the tests' files")
    path = "%s/%s" % (base, name)
    remove_tree(path)
    Files(flush, nothing).make_directory(path)
    return path


def remove_tree(path):
    try:
        names = os.listdir(path)
    except OSError:
        try:
            os.remove(path)
        except OSError:
            pass
        return
    for name in names:
        remove_tree(path + "/" + name)
    os.rmdir(path)


class MemoryFiles(Files):
    """Files in memory: for tests of thousands of cases. `contents`: by path."""

    def __init__(self):
        super().__init__(flush, nothing)
        self.contents = {}

    def read(self, path):
        return bytes(self.contents[path]) if path in self.contents else None

    def read_at(self, path, offset, size):
        if path not in self.contents:
            raise OSError(2)
        return bytes(self.contents[path][offset : offset + size])

    def size(self, path):
        if path not in self.contents:
            raise OSError(2)
        return len(self.contents[path])

    def create(self, path):
        self.contents[path] = bytearray()
        return _Opened(self.contents, path)

    def append(self, path):
        return _Opened(self.contents, path)

    def write(self, file, data):
        file.contents[file.path].extend(data)

    def replace(self, path, data):
        self.contents[path] = bytearray(data)

    def make_directory(self, path):
        pass

    def remove_directory(self, path):
        pass

    def exists(self, path):
        return path in self.contents or bool(self.names(path))

    def remove(self, path):
        if path not in self.contents:
            raise OSError(2)
        del self.contents[path]

    def rename(self, path, to):
        self.contents[to] = self.contents[path]
        self.remove(path)

    def names(self, path):
        return sorted([name[len(path) + 1 :] for name in self.contents if name.startswith(path + "/")])


class _Opened:
    def __init__(self, contents, path):
        self.contents = contents
        self.path = path

    def close(self):
        pass


def files():
    return Files(flush, nothing)


class Keys:
    """Stands in for the native module where a test is not about signatures."""

    @staticmethod
    def ed25519_public_key(seed):
        return hashlib.sha256(seed).digest()

    @staticmethod
    def ed25519_sign(seed, public, message):
        return hashlib.sha256(public + message).digest() * 2


class NodeKeys(Keys):
    """Of a whole node, whom nobody commands."""

    @staticmethod
    def ed25519_verify(signature, public, message):
        return False


class Signer:
    """A real key from a seed."""

    def __init__(self, letter):
        self._seed = letter * 32
        self.public = wayside_native.ed25519_public_key(self._seed)

    def sign(self, message):
        return wayside_native.ed25519_sign(self._seed, self.public, message)


NODE, GATEWAY, STRANGER = Signer(b"n"), Signer(b"g"), Signer(b"s")
NOW = 1_790_000_000_000


def node_end(boot=1):
    """A node's end of the link, with NODE's key and the gateway's known."""
    about = NodeIdentity(boot, "TEST", "wayside-node")
    return NodeEnd(NODE.public, NODE.sign, GATEWAY.public, wayside_native, os.urandom, about)


def gateway_end(key=GATEWAY):
    return GatewayEnd(key.public, key.sign, wayside_native, os.urandom)


class LinkGateway:
    """The gateway's end of a node's link: agrees on sessions and tells the time by itself, the rest is the test's.

    `told_ms()`: what its clock says; `quality`: what that is worth, None: it does not tell. `hint`: it says so when no
    session stands.
    """

    def __init__(self, told_ms):
        self.end = gateway_end()
        self.told_ms = told_ms
        self.quality = SYNCED
        self.abouts = []
        self.hellos = self.asks = 0

    def take(self, data):
        """(messages of the node that were in a seal, bytes to answer with) of the bytes of one message."""
        message = link.decode(data)
        if isinstance(message, link.Hello):
            self.hellos += 1
            return [], frame.encode(link.encode(self.end.welcome(message)))
        if isinstance(message, link.Confirm):
            try:
                about = self.end.confirm(message, NODE.public)
            except WireError:
                return [], b""
            if about is None:
                return [], b""
            self.abouts.append(about)
            return [], self.tell(0)
        if not isinstance(message, link.Sealed):
            return [], b""
        try:
            inner = self.end.open(message)
        except WireError:
            return [], frame.encode(link.encode(link.Error(link.NO_SESSION, "no session")))
        if isinstance(inner, link.AskTime):
            self.asks += 1
            return [], self.tell(message.number)
        return [inner], b""

    def tell(self, asked):
        return b"" if self.quality is None else self.seal(link.TimeMessage(self.told_ms(), self.quality, asked))

    def seal(self, message):
        return frame.encode(self.end.session.seal(message)) if self.end.session else b""
