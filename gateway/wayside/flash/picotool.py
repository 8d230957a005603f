"""picotool, where it is installed: it reaches an RP2040 in its boot ROM where no desktop mounts its USB volume."""

import shutil
import subprocess
from pathlib import Path

from .image import ImageError

_LOOK_S, _LOAD_S = 10.0, 120.0


def sees_board() -> bool:
    """Whether it is installed and a board waits in its boot ROM."""
    return shutil.which("picotool") is not None and _run("info", patience_s=_LOOK_S).returncode == 0


def write_image(file: Path) -> None:
    """Write an image (UF2), read it back and start it. ImageError."""
    done = _run("load", "--verify", "--execute", str(file), patience_s=_LOAD_S)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise ImageError(f"picotool: {''.join(said)}; hold BOOTSEL, plug the board in, and type the same command again")


def _run(*words: str, patience_s: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(["picotool", *words], capture_output=True, text=True, timeout=patience_s)
    except subprocess.TimeoutExpired:
        raise ImageError(f"picotool {words[0]} does not end; pull the board out and plug it in again") from None
