"""The real image chooses between the applications of two slots and its own, whatever they do, whenever power fails."""

from wayside_hil.emulator import Emulator, Reset
from wayside_hil.repl import BoardRepl
from wayside_hil.world import World

S = 1_000_000_000
NOTE = "with open('/log','a') as file:\n    file.write({0!r})\n"
# What the image's own says when it finds no configuration goes to the console; these two write down that they ran.
KEEPS_ITSELF = NOTE + "import board\ndef main(arguments):\n    board.trial()()\n    return 1\n"
HANGS = NOTE + "import time\ntime.sleep(1000)\n"
RAISES = NOTE + "import nothing_of_that_name\n"
FAILS = NOTE + "def main(arguments):\n    return 1\n"


def install(repl: BoardRepl, root: str, text: str) -> None:
    repl.run(f"import os\nos.mkdir({root!r})\nos.mkdir({root + '/wayside_node'!r})")
    repl.write_file(root + "/wayside_node/__init__.py", b"")
    repl.write_file(root + "/wayside_node/__main__.py", text.format(root[1]).encode())
    repl.run(f"import rp2040\nrp2040._slots.install({root!r})")


def started(world: World, repl: BoardRepl) -> str:
    """Start the board; what ran, in turn, when one of them has left the prompt."""
    repl.start("import os, machine\ntry:\n os.remove('/log')\nexcept OSError:\n pass\nmachine.reset()")
    repl.wait(b">>> ", 120)  # what hangs has half a minute each time
    repl.enter()
    return repl.run("try:\n print(open('/log').read())\nexcept OSError:\n print()").strip()


def test_broken_applications_give_way(world: World, repl: BoardRepl) -> None:
    install(repl, "/a", KEEPS_ITSELF)
    assert started(world, repl) == "a"
    install(repl, "/b", HANGS)
    assert started(world, repl) == "bbba"
    assert started(world, repl) == "a", "it was kept"
    for broken in (RAISES, FAILS):
        repl.run("import os\nfor name in os.listdir('/b/wayside_node'):\n os.remove('/b/wayside_node/'+name)\n")
        repl.run("os.rmdir('/b/wayside_node')\nos.rmdir('/b')")
        install(repl, "/b", broken)
        assert started(world, repl) == "bbba"
    repl.run("import os\nos.rename('/a','/c')")
    assert started(world, repl) == "", "the image's own"


def test_power_cuts_while_a_start_is_counted(pico: Emulator, world: World, repl: BoardRepl) -> None:
    for skip, after_ns in ((0, 1), (0, 40_000_000), (1, 1_000_000), (3, 1)):
        repl.run("import os\nif 'b' in os.listdir('/'):\n os.rename('/b','/old%d' % len(os.listdir('/')))")
        install(repl, "/b", FAILS)
        repl.start("import os, machine\nopen('/log','w').close()\nmachine.reset()")
        pico.cut_power_in_flash(skip, after_ns)
        before = len(world.events)

        def is_off(before: int = before) -> bool:
            return any(isinstance(event, Reset) and event.cause == "off" for event in world.events[before:])

        world.until(is_off, "the cut")
        pico.restore_power()
        repl.wait(b">>> ")
        repl.enter()
        assert repl.run("print(open('/log').read())").strip() in ("bb", "bbb")
