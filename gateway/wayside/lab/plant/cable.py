"""A serial cable without hardware: two ptys, what goes into one comes out of the other."""

import asyncio
import os
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def named(slave: int) -> Iterator[str]:
    """A path of the pty with this end, which is gone before the pty is.

    Its number is given to the next pty that anybody opens: whoever still tries the number is on a stranger's line.
    """
    with TemporaryDirectory(prefix="wayside-pty-") as folder:
        path = Path(folder) / "port"
        path.symlink_to(os.ttyname(slave))
        yield str(path)


@contextmanager
def raw_pty() -> Iterator[tuple[int, str]]:
    """(master handle, path of the slave): a pty without echo or line editing; the handle does not block.

    The slave is held open here too, so that the line stays up while nobody has it open, as a cable does.
    """
    master, slave = os.openpty()
    try:
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(master, False)
        with named(slave) as path:
            yield master, path
    finally:
        os.close(master)
        os.close(slave)


Tap = Callable[[bytes], None]


@asynccontextmanager
async def null_modem(to_left: Tap | None = None) -> AsyncIterator[tuple[str, str]]:
    """The paths of the two ends (left, right) while the context lasts. `to_left` hears what the right end says."""
    loop = asyncio.get_running_loop()
    with raw_pty() as (left, left_path), raw_pty() as (right, right_path):
        loop.add_reader(left, _copy, left, right, None)
        loop.add_reader(right, _copy, right, left, to_left)
        try:
            yield left_path, right_path
        finally:
            loop.remove_reader(left)
            loop.remove_reader(right)


def _copy(source: int, target: int, tap: Tap | None) -> None:
    with suppress(BlockingIOError):
        data = os.read(source, 4096)
        # A full target loses bytes, as a UART without flow control does.
        sent = os.write(target, data)
        if tap:
            tap(data[:sent])
