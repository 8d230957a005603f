"""Tiles, entry bundles and checkpoints over HTTP, as C2SP tlog-tiles has them: GET of static paths.

Each epoch is a log of its own, so it has a prefix of its own: `/log/<epoch>/`, as its origin ends. The same paths
without it are redirected to the newest epoch. Everything there is public: hashes of salted commitments.
"""

import re
from contextlib import closing
from pathlib import Path

from wayside.evidence.origin import is_epoch
from wayside.net.http.service import HttpAnswer, HttpService

from .errors import LogError
from .reader import LogReader, epochs, newest_epoch, read_signed
from .tiles import Pruned, resource

_PATH = re.compile(r"/log/([0-9]{1,10})/(.+)")
_BARE = re.compile(r"/(checkpoint|tile/.+)")
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOT_KEPT = {"Cache-Control": "no-store"}


class TileServer(HttpService):
    """Serves the log in `folder`, which another thread or process writes; OSError when the address cannot be had."""

    def __init__(self, address: tuple[str, int], folder: Path):
        super().__init__(address, self._respond)
        self._folder = folder

    def _respond(self, method: str, path: str, body: bytes) -> HttpAnswer:
        if method != "GET":
            return _say(405, "GET is all there is")
        try:
            if bare := _BARE.fullmatch(path):
                where = f"/log/{newest_epoch(self._folder)}/{bare[1]}"
                return _say(307, f"the newest epoch: {where}", {"Location": where})
            match = _PATH.fullmatch(path)
            if not match or not is_epoch(match[1]) or int(match[1]) not in epochs(self._folder):
                return _say(404, "/log/EPOCH/ checkpoint, tile/LEVEL/NUMBER or tile/entries/NUMBER is all there is")
            return self._answer(int(match[1]), match[2])
        except Pruned:
            return _say(410, "PRUNED: retention has erased an entry of it; its hashes are in tile/0")
        except (OSError, LogError):
            return _say(503, "the log cannot be read now")

    def _answer(self, epoch: int, path: str) -> HttpAnswer:
        if path == "checkpoint":
            note = read_signed(self._folder, epoch)
            return HttpAnswer(200, note, headers=_NOT_KEPT) if note else _say(404, "nothing is signed yet")
        with closing(LogReader(self._folder, epoch=epoch)) as log:
            content = resource(log, path)
        if content is None:
            return _say(404, f"nothing is here, or not yet: the log has {log.size} entries")
        return HttpAnswer(200, content, "application/octet-stream", _FOR_EVER)


def _say(status: int, text: str, headers: dict[str, str] | None = None) -> HttpAnswer:
    return HttpAnswer(status, f"{text}\n".encode(), headers=_NOT_KEPT | (headers or {}))
