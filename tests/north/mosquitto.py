"""A real broker for tests: mosquitto on a free port of 127.0.0.1, started and stopped by the test."""

import getpass
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from waiting import PATIENCE_S, free_port, wait_until

# Debian installs it where ordinary users do not look.
PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")

_RELOADED = "Reloading config."


def acl(folder: Path, *lines: str) -> str:
    """Setting of a broker whose access list is `lines`."""
    file = folder / "acl"
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    return f"acl_file {file}"


class Mosquitto:
    """`with Mosquitto(folder) as broker:` runs one; `stop` and `start` in between restart it on the same port."""

    def __init__(self, folder: Path, *settings: str) -> None:
        """`settings` are lines of mosquitto.conf for the listener; anonymous clients are welcome unless they say no."""
        self.port = free_port()
        self._file = folder / f"mosquitto-{self.port}.conf"
        # Started by root it would become the user mosquitto, who cannot read a test's files.
        lines = [f"user {getpass.getuser()}", f"listener {self.port} 127.0.0.1", *settings]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        self._file.write_text("\n".join(lines) + "\n")
        self._log = folder / f"mosquitto-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        assert PROGRAM is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", str(self._file)], stdout=log, stderr=log)
        wait_until(self._listens, "mosquitto listens")

    def _listens(self) -> bool:
        assert self._process is not None and self._process.poll() is None, f"mosquitto ended: {self._log.read_text()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def reload(self) -> None:
        """Read access lists anew; connections stay."""
        assert self._process is not None
        before = self._log.read_text().count(_RELOADED)
        self._process.send_signal(signal.SIGHUP)
        wait_until(lambda: self._log.read_text().count(_RELOADED) > before, "mosquitto reads its list")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None
