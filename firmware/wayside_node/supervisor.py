"""Keeps the tasks alive, and the watchdog fed only while all of them make progress.

A task is a coroutine function that takes `beat` and calls it whenever it has got on. One that raises is started again
with exponential back-off. One that hangs stops the feeding, and the watchdog resets the board.
"""

from asyncio import CancelledError, create_task

from micropython import const

_FIRST_DELAY_MS = const(500)
_LAST_DELAY_MS = const(30000)
_WELL_MS = const(60000)  # a task that lived this long begins again with the first delay


class _Task:
    def __init__(self, name, run, deadline_ms):
        self.name = name
        self.run = run
        self.deadline_ms = deadline_ms
        self.beat_at = 0
        self.waiting = False  # dead, and to be started again


class Supervisor:
    """Starts what add() names. `restarts` counts by task name; `report(text)` is told of each death."""

    def __init__(self, clock, feed, report):
        self._clock = clock
        self._feed = feed
        self._report = report
        self._tasks = []
        self.restarts = {}

    def add(self, name: str, run, deadline_ms: int) -> None:
        """`run(beat)` is the task; deadline_ms: the longest time between two beats of a healthy one."""
        self._tasks.append(_Task(name, run, deadline_ms))

    async def run(self, check_ms: int) -> None:
        """Run all tasks; look at them and feed the watchdog every check_ms. Ends only by cancellation."""
        started = [create_task(self._keep(task)) for task in self._tasks]
        try:
            while True:
                if self.stuck() is None:
                    self._feed()
                await self._clock.sleep_ms(check_ms)
        finally:
            for task in started:
                task.cancel()

    def stuck(self):
        """The name of a task that is past its deadline, or None."""
        now = self._clock.now()
        for task in self._tasks:
            if not task.waiting and now - task.beat_at > task.deadline_ms:
                return task.name
        return None

    async def _keep(self, task):
        delay_ms = _FIRST_DELAY_MS

        def beat():
            task.beat_at = self._clock.now()

        while True:
            beat()
            task.waiting = False
            began = self._clock.now()
            try:
                await task.run(beat)
                reason = "ended"
            except CancelledError:
                raise
            except Exception as error:  # whatever it is, the other tasks go on
                reason = "%s: %s" % (type(error).__name__, error)
            task.waiting = True
            self.restarts[task.name] = self.restarts.get(task.name, 0) + 1
            if self._clock.now() - began >= _WELL_MS:
                delay_ms = _FIRST_DELAY_MS
            self._report("task %s: %s; starting it again in %d ms" % (task.name, reason, delay_ms))
            await self._clock.sleep_ms(delay_ms)
            delay_ms = min(2 * delay_ms, _LAST_DELAY_MS)
