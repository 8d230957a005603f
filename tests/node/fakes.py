"""What the node's parts need from outside, for tests on both interpreters: time, ports, files, keys."""

import hashlib
import os
import sys

from wayside_node.clock import Clock
from wayside_node.files import Files

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
        return Clock(self.ticks_ms, self.ticks_diff, self.sleep_ms, holdover_ms)


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
