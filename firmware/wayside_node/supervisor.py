"""Keeps the tasks alive, and the watchdog fed only while all of them make progress.

A task is a coroutine function that takes `beat` and calls it whenever it has got on. One that raises is started again
with exponential back-off. One that hangs, that is not started again in time, or that never gets well stops the feeding,
and the watchdog resets the board. What a reset cannot mend does not stop it: a port or a network that is not there
(OSError), for which the others would pay; that comes to an end with the last resort.
"""

import errno
from asyncio import CancelledError, create_task

from micropython import const

_FIRST_DELAY_MS = const(500)
_LAST_DELAY_MS = const(30000)
_WELL_MS = const(60000)  # a task that lived this long begins again with the first delay
_TRIES = const(12)  # deaths one after the other of a task that never got well: some four minutes


class _Task:
    def __init__(self, name, run, deadline_ms):
        self.name = name
        self.run = run
        self.deadline_ms = deadline_ms
        self.alive_at = 0  # its last beat; of a dead one, when it is to be started again
        self.delay_ms = _FIRST_DELAY_MS // 2  # doubled by each death
        self.tries = 0  # deaths since it was well last that a reset may mend


class NodeSupervisor:
    """Starts what add() names. `restarts` counts by task name; `report(text)` is told of each death."""

    def __init__(self, clock, watchdog, report, resort, trial=None):
        """watchdog() starts it and returns its feed(); resort: a LastResort; trial: a ConfigTrial, which takes a task's
        death for a verdict; None without."""
        self._clock = clock
        self._watchdog = watchdog
        self._report = report
        self._resort = resort
        self._trial = trial
        self._tasks = []
        self.restarts = {}

    def add(self, name: str, run, deadline_ms: int) -> None:
        """`run(beat)` is the task; deadline_ms: the longest time between two beats of a healthy one."""
        self._tasks.append(_Task(name, run, deadline_ms))
        self.restarts[name] = 0

    async def run(self, check_ms: int) -> None:
        """Run all tasks; look at them and feed the watchdog every check_ms. Ends only by cancellation."""
        feed = self._watchdog()  # not before: to put a node together takes longer than the shortest one
        started = [create_task(self._keep(task)) for task in self._tasks]
        try:
            while True:
                if self.stuck() is None:
                    feed()
                if self._trial is not None:
                    self._trial.look()
                self._resort.look()
                await self._clock.sleep_ms(check_ms)
        finally:
            for task in started:
                task.cancel()

    def stuck(self):
        """The name of a task that is past its deadline, or that has died too often; None when there is none."""
        now = self._clock.now()
        for task in self._tasks:
            if now - task.alive_at > task.deadline_ms or task.tries >= _TRIES:
                return task.name
        return None

    async def _keep(self, task):
        def beat():
            task.alive_at = self._clock.now()

        while True:
            beat()
            began = task.alive_at
            why = None
            try:
                await task.run(beat)
            except CancelledError:
                raise
            except Exception as error:  # whatever it is, the other tasks go on
                why = error
            try:
                self._bury(task, began, why)
            except Exception:  # no memory even for this: stuck() sees who is not started again in time
                pass
            await self._clock.sleep_ms(task.delay_ms)

    def _bury(self, task, began: int, why) -> None:
        task.tries += 0 if _is_elsewhere(why) else 1
        self.restarts[task.name] += 1
        now = self._clock.now()
        if now - began >= _WELL_MS:
            task.delay_ms = _FIRST_DELAY_MS
            task.tries = 0
        else:
            task.delay_ms = min(2 * task.delay_ms, _LAST_DELAY_MS)
        task.alive_at = now + task.delay_ms
        try:
            reason = "task %s: %s" % (task.name, "ended" if why is None else said(why))
            self._report("%s; starting it again in %d ms" % (reason, task.delay_ms))
        except Exception:  # what cannot be told is done all the same
            reason = task.name
        if self._trial is not None:
            self._trial.failed(reason)


def said(error) -> str:
    """An exception in a line."""
    return "%s: %s" % (type(error).__name__, error)


def _is_elsewhere(why) -> bool:
    """Whether the cause lies where a reset changes nothing. Memory that is too scattered is mended by one."""
    return isinstance(why, OSError) and why.errno != errno.ENOMEM
