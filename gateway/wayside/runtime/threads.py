"""Work that blocks, beside the event loop. Imports nothing of the gateway."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


async def in_thread(work: Callable[[], _Result], undo: Callable[[], None] = lambda: None) -> _Result:
    """The result of `work()`, run in a thread that nobody waits for at exit: a name server may take minutes to fail.

    When the caller is cancelled in the meantime, `undo()` runs in the event loop once `work` is done.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def finish(result: _Result | None, error: Exception | None) -> None:
        if done.cancelled():
            undo()
        elif error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:
            return  # the loop is closed: the program ends

    context = contextvars.copy_context()  # so that its messages say who speaks
    threading.Thread(target=context.run, args=(run,), daemon=True, name="wayside-blocking").start()
    return await done
