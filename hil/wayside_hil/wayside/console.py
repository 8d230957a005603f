"""The console of a node on the bench, as `wayside flash` works with it."""

from wayside.flash.console import RawRepl

from ..repl import WorldLine
from ..world import World


class NodeRepl(RawRepl):
    """Of the world's board, in that world's time. ConsoleError."""

    def __init__(self, world: World):
        super().__init__(WorldLine(world))
