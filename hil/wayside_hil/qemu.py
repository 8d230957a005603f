"""MicroPython on QEMU's Cortex-M3 as pytest-embedded's device under test: it runs modules of plain `test_*` functions.

There are no files on that board: a module is sent over its console, and what it opens beside itself is handed to it.
"""

import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from pytest_embedded.app import App
from pytest_embedded.dut import Dut
from pytest_embedded.log import PexpectProcess

from .repl import WorldRepl

_QEMU = ("qemu-system-arm", "-machine", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting")
_TEST_S = 120.0
_POLL_S = 0.002
_PRELUDE = """
import gc, io, sys
FILES = {}
SPACES = {}
class Module:
    pass
def load(name, source):
    space = SPACES[name] = {'__name__': name, '__file__': name + '.py'}
    space['open'] = lambda path, *more: io.StringIO(FILES[path.split('/')[-1]])
    exec(source, space)
    module = sys.modules[name] = Module()
    for each in space:
        setattr(module, each, space[each])
def run(name):
    space = SPACES[name]
    for test in sorted([each for each in space if each.startswith('test_')]):
        gc.collect()
        try:
            space[test]()
            print('ok', test)
        except MemoryError as error:
            print('FAIL', test, 'not enough memory:', error)
        except Exception as error:
            print('FAIL', test, type(error).__name__, error)
            sys.print_exception(error)
"""


class ArmResult(NamedTuple):
    test: str
    good: bool
    text: str  # of the error, with what was printed after it


class ArmDut(Dut):
    """`firmware`: the ELF file; what the board says is kept in `log`."""

    def __init__(self, firmware: Path, log: Path, name: str):
        self._log = log.open("wb")
        words = [*_QEMU, "-serial", "stdio", "-kernel", str(firmware)]
        # QEMU itself writes the log: who expects reads it as it grows.
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=self._log, stderr=subprocess.DEVNULL)
        self._said = log.open("rb")
        super().__init__(PexpectProcess(self._said), None, App(build_dir=None), str(log), name)
        self.repl = WorldRepl(self)
        self.repl.enter()

    def write(self, data: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def read(self, patience_s: float) -> bytes:
        """What has come, as a Line of a WorldRepl; nothing when nothing comes in this time."""
        end = time.monotonic() + patience_s
        while True:
            data: bytes = self.pexpect_proc.read_nonblocking(4096, 0)
            if data or time.monotonic() > end:
                return data
            time.sleep(_POLL_S)

    def run_module(self, path: Path, helpers: tuple[str, ...] = ()) -> list[ArmResult]:
        """What became of each test of the module at `path`. `helpers`: files that it imports or opens, beside it."""
        self.repl.run(_PRELUDE)
        for file in (path.parent / name for name in helpers):
            where = f"load({file.stem!r}, " if file.suffix == ".py" else f"FILES.__setitem__({file.name!r}, "
            self.repl.run(f"{where}{file.read_text()!r})", _TEST_S)
        self.repl.run(f"load({path.stem!r}, {path.read_text()!r})", _TEST_S)
        self.write(f"run({path.stem!r})\x04".encode())
        self.expect_exact(b"OK")
        results: list[ArmResult] = []
        while True:
            found = self.expect([rb"(ok|FAIL) (test_\w+)([^\r]*)\r\n", rb"\x04\x04>"], timeout=_TEST_S)
            if results and not results[-1].good:
                results[-1] = results[-1]._replace(text=results[-1].text + self.pexpect_proc.before.decode())
            if found.group() == b"\x04\x04>":
                return results
            results.append(ArmResult(found.group(2).decode(), found.group(1) == b"ok", found.group(3).decode().strip()))

    def close(self) -> None:
        super().close()
        self._process.kill()
        self._process.communicate()
        self._said.close()
        self._log.close()
