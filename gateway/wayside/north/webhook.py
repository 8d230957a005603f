"""The HTTP webhook sink: each batch's packs as one POST of a JSON array, objects as in `json_report`.

2xx: taken. 400, 413, 415 and 422: never taken, so the entries become dead letters one by one, but only while what was
taken before is taken again: who refuses everything has a wrong setting, and is asked again, seldom. 408, 429 and 5xx:
again, soon. Any other answer (a missing token, a wrong path, a redirect): again, but seldom. Repetitions are told by
(log, index), as everywhere.
"""

import asyncio
import http.client
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from wayside.net.far_side import FarSideRefused, Rejected, Unreachable
from wayside.net.mqtt.tls import Tls
from wayside.runtime.threads import in_thread
from wayside.text.reason import reason

from .json_report import as_json
from .report import reports
from .sink import Batch, Lost, SinkLog

_TIMEOUT_S = 10.0
_NEVER = (400, 413, 415, 422)
_SOON = (408, 429)
_MOST_ANSWER = 64 * 1024  # bytes that are read of an answer


@dataclass(frozen=True)
class Hook:
    """Where to post to. `token` goes as a bearer token (RFC 6750), which http:// would show to everybody."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None


class Webhook:
    """A sink without a connection of its own: each batch is one request. OSError: a certificate cannot be used."""

    def __init__(self, hook: Hook, log: SinkLog):
        parts = urlsplit(hook.url)
        self._host, self._port = parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tls = (hook.tls or Tls()) if parts.scheme == "https" else None
        self._context = self._tls.context() if self._tls else None
        self._headers = {"Content-Type": "application/json", "User-Agent": "wayside"}
        if hook.token:
            self._headers["Authorization"] = f"Bearer {hook.token}"
        self._log = log
        self._taken: str | None = None  # the newest report that the far side took

    def connect(self) -> AbstractAsyncContextManager[Lost]:
        return self._connection()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Lost]:
        try:
            # Anew each time: certificates are renewed, and the clock may have become right.
            self._context = self._tls.context() if self._tls else None
        except OSError as error:
            raise FarSideRefused(reason(error)) from None

        async def lost() -> None:
            await asyncio.Event().wait()

        yield lost

    async def send(self, batch: Batch) -> None:
        texts = [as_json(each) for each in reports(self._log.origin, batch.records)]
        if not texts:
            return
        status, phrase = await self._ask(texts)
        takes_another = True
        if status in _NEVER and len(batch.records) == 1:
            takes_another = await self._takes_again()
            if takes_another:
                status, phrase = await self._ask(texts)  # somebody may have mended a setting in between
        if 200 <= status < 300:
            self._taken = texts[-1]
            return
        text = f"the far side answers {status} {phrase}"
        if status in _NEVER and takes_another:
            raise Rejected(text)
        raise Unreachable(text) if status in _SOON or status >= 500 else FarSideRefused(text)

    async def _takes_again(self) -> bool:
        return self._taken is not None and 200 <= (await self._ask([self._taken]))[0] < 300

    async def _ask(self, texts: list[str]) -> tuple[int, str]:
        # Put together as text: a number must not pass through a float.
        return await in_thread(partial(self._post, f"[{','.join(texts)}]".encode()))

    def _post(self, body: bytes) -> tuple[int, str]:
        if self._context:
            link: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT_S, context=self._context
            )
        else:
            link = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            link.request("POST", self._path, body, self._headers)
            answer = link.getresponse()
            answer.read(_MOST_ANSWER)
            # By the number: the far side's own words may repeat what it was asked for, token and all.
            return answer.status, http.client.responses.get(answer.status, "")
        except http.client.HTTPException as error:
            raise Unreachable(f"{self._host}: no HTTP answer ({type(error).__name__})") from None
        except OSError as error:
            raise Unreachable(f"{self._host}: {reason(error)}") from None
        finally:
            link.close()
