"""What somebody who helps needs to see, and nothing that is secret: one .tar.gz.

Files are named here one by one; nothing is taken because it lies in a folder. Of the site file the settings are shown
as they are understood, not its text: nobody knows what stands in a comment. Used by `cli` and the daemon.
"""

import io
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from wayside.log.reader import newest_epoch, read_signed
from wayside.site import config
from wayside.site.config import SiteFileError
from wayside.site.diff import settings
from wayside.site.history import SiteHistory
from wayside.text.reason import reason
from wayside.text.redact import redact

_JOURNAL_LINES = 2000
_JOURNAL_S = 10.0


def make(site: Path, state: Path, status: dict[str, Any] | None) -> bytes:
    """The bundle of the site file `site`, whose state folder is `state`; `status`: what the running gateway tells."""
    parts: dict[str, Callable[[], str]] = {
        "settings.txt": lambda: _settings(site),
        "history.json": lambda: _json([_version(each) for each in SiteHistory(site).versions()]),
        "status.json": lambda: _json(status) if status else "no gateway answers\n",
        "checkpoint.txt": lambda: read_signed(state / "log", newest_epoch(state / "log")).decode(),
        "files.txt": lambda: "".join(_listing(state)),
        "machine.json": lambda: _json(_machine(state)),
        "journal.txt": _journal,
    }
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as bundle:
        for name, tell in parts.items():
            try:
                text = tell()
            except (OSError, ValueError, SiteFileError) as error:
                text = f"not to be had: {reason(error)}\n"
            _add(bundle, f"wayside-support/{name}", redact(text))
    return data.getvalue()


def _add(bundle: tarfile.TarFile, name: str, text: str) -> None:
    raw = text.encode()
    about = tarfile.TarInfo(name)
    about.size, about.mtime, about.mode = len(raw), int(time.time()), 0o600
    bundle.addfile(about, io.BytesIO(raw))


def _settings(site: Path) -> str:
    return "".join(f"{line}\n" for line in settings(config.load_without_profiles(site)))


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _version(version: Any) -> dict[str, Any]:
    return {
        "number": version.number,
        "sha256": version.digest,
        "kept_s": int(version.kept_s),
        "failed": version.failed,
    }


def _listing(folder: Path) -> list[str]:
    """Names, sizes and rights: enough to see what is missing or open to others."""
    lines = []
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        lines.append(f"{about.st_mode:07o} {about.st_size:>12} {int(about.st_mtime)} {path.relative_to(folder)}\n")
    return lines


def _machine(state: Path) -> dict[str, Any]:
    disk = shutil.disk_usage(state)
    return {
        "time_s": int(time.time()),
        "python": sys.version,
        "platform": platform.platform(),
        "disk": {"total": disk.total, "free": disk.free},
        "packages": {each.name: each.version for each in metadata.distributions()},
    }


def _journal() -> str:
    journalctl = shutil.which("journalctl")
    if not journalctl:
        return "there is no journalctl\n"
    words = [journalctl, "--no-pager", "-u", "wayside", "-n", str(_JOURNAL_LINES)]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=_JOURNAL_S)
    except subprocess.TimeoutExpired:
        return "journalctl took too long\n"
    return ran.stdout + ran.stderr
