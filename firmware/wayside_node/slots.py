"""Which application a board without slots in its boot ROM starts: a newer one from its file system, or the image's own.

Two folders, `/a` and `/b`, are slots: each may hold an application, as the packages of firmware/ (`wayside_node` ...).
A slot has a number of starts left. Each start takes one, before the application runs; one that runs well is kept, and
has all of them again. A slot without any is passed over, for the other one, then for the application in the image. So
no application, however broken, is started for ever, and there is always one that can be.
"""

import os

from micropython import const

from .copies import Copies

ROOTS = ("/a", "/b")

_FORMAT = "<IBBBB"  # number of the change, slot to try first, starts left of each, bits of those that were kept
_NEW = const(3)
# A kept one is only given up when it stops working: by power cuts in its first minute it must not be.
_KEPT = const(10)


class Slots:
    """The record of both slots, in files `path`.0 and `path`.1. Lost, spoilt or never written: nothing is in them."""

    def __init__(self, files, path: str = "/slots", roots=ROOTS):
        self._copies = Copies(files, path, _FORMAT)
        self._roots = roots
        self._change, self._first, *left, self._kept = self._copies.load() or (0, 0, 0, 0, 0)
        self._left = left

    def choose(self) -> str:
        """The folder whose application is to be started, "" for the image's own. The start is counted on return."""
        for slot in (self._first, 1 - self._first):
            if self._left[slot] and _is_folder(self._roots[slot]):
                self._left[slot] -= 1
                try:
                    self._store()
                except OSError:
                    break  # a start that cannot be counted might be one of a thousand
                return self._roots[slot]
        return ""

    def install(self, root: str) -> None:
        """On trial, from the next start on: what was just written to this folder, and is durable."""
        slot = self._roots.index(root)
        self._first = slot
        self._left[slot] = _NEW
        self._kept &= ~(1 << slot)
        self._store()

    def keep(self, root: str) -> None:
        """The application of this folder runs well."""
        slot = self._roots.index(root)
        self._left[slot] = _KEPT
        self._kept |= 1 << slot
        self._store()

    def on_trial(self, root: str) -> bool:
        """Whether the application of this folder was never kept."""
        return not self._kept >> self._roots.index(root) & 1

    def _store(self) -> None:
        self._change += 1
        self._copies.store(self._change, self._first, *self._left, self._kept)


def _is_folder(path: str) -> bool:
    try:
        return os.stat(path)[0] & 0x4000 != 0
    except OSError:
        return False
