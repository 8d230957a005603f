"""Unix sockets in the state folder, for `status` and `manage`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_LINE = 64 * 1024  # bytes


async def serve(path: Path, answer: Answer, private: bool = False) -> None:
    """Have each connection to `path` answered, until cancelled. private: mode 0600, else as the umask has it."""
    # Of a gateway that was killed; a second one at work could not have opened the log.
    await asyncio.to_thread(path.unlink, missing_ok=True)
    mask = os.umask(0o177) if private else None
    try:
        server = await asyncio.start_unix_server(answer, path, limit=_LINE)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # asyncio does not say where
    finally:
        if mask is not None:
            os.umask(mask)
    async with server:
        await server.serve_forever()
