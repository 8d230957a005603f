"""The raw REPL of a board's console, in simulated time: while it waits, everything in the world goes on."""

from wayside.flash.console import RawRepl

from .emulator import Event, UsbOutput
from .world import World


class WorldLine:
    """The board's USB console as the line of a RawRepl."""

    def __init__(self, world: World):
        self._world = world
        self._text = b""
        world.plugs.append(self)

    def see(self, event: Event) -> None:
        if isinstance(event, UsbOutput):
            self._text += event.data

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""

    def write(self, data: bytes) -> None:
        self._world.emulator.send_usb(data)

    def read(self, patience_s: float) -> bytes:
        deadline = self._world.now + patience_s * 1e9
        while not self._text and self._world.now < deadline:
            self._world.step()
        text, self._text = self._text, b""
        return text


class Repl(RawRepl):
    """The console of the world's board."""

    def __init__(self, world: World):
        super().__init__(WorldLine(world))


def prompt(world: World) -> Repl:
    """The raw REPL of a board that boots without a configuration."""
    repl = Repl(world)
    repl.wait(b">>> ")
    repl.enter()
    return repl
