"""The node application in a real VM at the far end of serial cables: a board on USB, with an adapter on each line."""

import os
import pty
import select
import signal
import termios
import threading
import time
import tty
from contextlib import ExitStack
from pathlib import Path

from wayside.lab.plant.cable import raw_pty

ROOT = Path(__file__).resolve().parent.parent
_AWAY_S = 0.3
_SOFT = 4  # exit status of a soft reset

# The board's file system is a folder; then what boards/RP2040_METER/main.py does, and the raw REPL, which MicroPython's
# unix port does not have.
_START = """
import os, sys, termios, vfs, board, machine
from wayside_node.__main__ import main
vfs.umount('/')
vfs.mount(vfs.VfsPosix({root!r}), '/')
os.chdir('/')
terminal = termios.tcgetattr(0)
terminal[3] |= {isig}
try:
    termios.tcsetattr(0, termios.TCSANOW, terminal)
    main(['--config', '/node.json'])
except KeyboardInterrupt:
    pass
termios.setraw(0)
say = sys.stdout.write
say('\\r\\n>>> ')
names, text, raw = {{}}, b'', False
while True:
    key = sys.stdin.buffer.read(1)
    if key == b'\\x01':
        raw, text = True, b''
        say('raw REPL; CTRL-B to exit\\r\\n>')
    elif key == b'\\x03':
        text = b''
        if not raw:
            say('\\r\\n>>> ')
    elif key == b'\\x02':
        raw = False
        say('\\r\\n>>> ')
    elif key == b'\\x04' and not raw:
        say('MPY: soft reboot\\r\\n')
        board._exit({soft})
    elif key == b'\\x04':
        say('OK')
        try:
            exec(text, names)
            say('\\x04')
        except Exception as error:
            say('\\x04')
            sys.print_exception(error, sys.stdout)
        say('\\x04>')
        text = b''
    else:
        text += key
"""
_MODULES = {
    "machine.py": "from board import reset\n",
    # The port's VfsPosix puts both names into one buffer where they are absolute.
    "os.py": "from uos import *\nimport uos\ndef rename(old, new):\n    uos.rename(old.strip('/'), new.strip('/'))\n",
}


class BoardOnACable:
    """`console`, `link`, `bus`: paths of this machine's ends. The console's port goes away while the board resets, as
    USB does; in a soft reset it stays."""

    def __init__(self, machine: Path, folder: Path):
        self._root = folder / "flash"
        (self._root / "state").mkdir(parents=True)  # the port cannot sync the root of what is mounted
        modules = folder / "modules"
        modules.mkdir()
        for name, text in _MODULES.items():
            (modules / name).write_text(text)
        self._words = [str(machine), "-i", "-c", _START.format(root=str(self._root), isig=termios.ISIG, soft=_SOFT)]
        places = f".frozen:{modules}:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"
        self._environment = os.environ | {"MICROPYPATH": places, "HOME": str(folder)}
        self.console = folder / "console"
        self._ptys = ExitStack()
        self._pairs: dict[int, int] = {}
        self.link = self._cable("link")
        self.bus = self._cable("rs485")
        self._wake, self._end = os.pipe()
        self._keeper = threading.Thread(target=self._keep)
        self._start()
        self._plug_in()
        self._keeper.start()

    def _pty(self) -> tuple[int, str]:
        master, path = self._ptys.enter_context(raw_pty())
        os.set_blocking(master, True)
        return master, path

    def _cable(self, name: str) -> str:
        """A cable; the board has its end under `name` in its file system, this machine's is returned."""
        near, near_path = self._pty()
        far, far_path = self._pty()
        (self._root / name).symlink_to(far_path)
        self._pairs |= {near: far, far: near}
        return near_path

    def _start(self) -> None:
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            tty.setraw(0)  # Ctrl-C counts from the moment on when the application can be interrupted
            os.execve(self._words[0], self._words, self._environment)

    def _plug_in(self) -> None:
        self._port, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.console.symlink_to(os.ttyname(self._slave))

    def _pull_out(self) -> None:
        self.console.unlink()  # first: the number behind it is soon another test's
        os.close(self._port)
        os.close(self._slave)

    def _keep(self) -> None:
        """Carry bytes; a process that ends is a board that resets."""
        while True:
            pairs = self._pairs | {self._terminal: self._port, self._port: self._terminal}
            ready, _, _ = select.select([*pairs, self._wake], [], [])
            if self._wake in ready:
                return
            for handle in ready:
                try:
                    os.write(pairs[handle], os.read(handle, 4096))
                except OSError:  # the VM has ended and its terminal with it
                    os.close(self._terminal)
                    _, status = os.waitpid(self._process, 0)
                    if os.waitstatus_to_exitcode(status) != _SOFT:
                        self._pull_out()
                        time.sleep(_AWAY_S)
                        self._plug_in()
                    self._start()
                    break

    def close(self) -> None:
        os.write(self._end, b".")
        self._keeper.join()
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        self._pull_out()
        self._ptys.close()
        for handle in (self._terminal, self._wake, self._end):
            os.close(handle)
