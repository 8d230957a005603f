"""A MicroPython on QEMU's Cortex-M3, to run a module of plain `test_*` functions in, sent over its console."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wayside.flash.console import RawRepl

ROOT = Path(__file__).resolve().parents[2]
_TEST_S = 120.0

# Modules have no file here: what a test opens beside itself is handed to it.
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


class QemuLine:
    """The emulated UART."""

    def __init__(self, process: "subprocess.Popen[bytes]"):
        assert process.stdin and process.stdout
        self._in, self._out = process.stdin, process.stdout

    def write(self, data: bytes) -> None:
        self._in.write(data)
        self._in.flush()

    def read(self, patience_s: float) -> bytes:
        ready, _, _ = select.select([self._out], [], [], patience_s)
        return os.read(self._out.fileno(), 4096) if ready else b""


@contextmanager
def console(firmware: Path) -> Iterator[RawRepl]:
    words = ["qemu-system-arm", "-machine", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting"]
    words += ["-serial", "stdio", "-kernel", str(firmware)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            repl = RawRepl(QemuLine(process))
            repl.wait(b">>> ")
            repl.enter()
            yield repl
        finally:
            process.kill()


def run_module(repl: RawRepl, path: Path, helpers: tuple[str, ...] = ()) -> list[str]:
    """The lines that the module's tests print: "ok NAME" and "FAIL NAME ...". `helpers`: files beside it."""
    repl.run(_PRELUDE)
    for name in helpers:
        file = path.parent / name
        if file.suffix == ".py":
            repl.run(f"load({file.stem!r}, {file.read_text()!r})", _TEST_S)
        else:
            repl.run(f"FILES[{file.name!r}] = {file.read_text()!r}", _TEST_S)
    repl.run(f"load({path.stem!r}, {path.read_text()!r})", _TEST_S)
    return repl.run(f"run({path.stem!r})", _TEST_S).splitlines()
