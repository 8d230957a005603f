"""A clean Debian to install into: a root made by debootstrap and kept in the cache; systemd runs in it.

Each CleanRoot is a fresh layer over the kept one, in namespaces of its own except the network: 127.0.0.1 is the test's.
Needs root, overlayfs and cgroups v2; `why_not` says what is missing.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import sources  # noqa: E402  (tools/ are scripts, no package)

SourceError = sources.SourceError

# What the package depends on; the test sees to it that dpkg finds nothing missing.
_PACKAGES = "python3,systemd,init-system-helpers"

_UNSHARE = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "--kill-child")

# $1 the kept root, $2 the room for the layer. PID 1 of the new namespace ends as systemd.
_BOOT = """set -e
mount --make-rprivate /
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
export container=wayside
exec chroot . /lib/systemd/systemd --log-target=console --show-status=no
"""


def why_not() -> str:
    """Why there can be no clean root here; empty when there can."""
    if os.geteuid() != 0:
        return "needs root, for debootstrap and for namespaces"
    for name in ("debootstrap", "unshare", "nsenter"):
        if not shutil.which(name):
            return f"{name} is not here"
    if not _cgroups():
        return "no cgroups v2 are mounted here"
    tried = subprocess.run([*_UNSHARE, "mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return f"no namespaces can be made here: {tried.stderr.strip()}" if tried.returncode else ""


def kept_root(suite: str) -> Path:
    """The root of a Debian suite from the cache, made first when it is not there."""
    with sources.locked(sources.CACHE / "roots.lock"):
        return sources.kept(sources.CACHE / "roots" / f"{suite}-1", lambda folder: _debootstrap(suite, folder))


def is_kept(suite: str) -> bool:
    return (sources.CACHE / "roots" / f"{suite}-1").is_dir()


def _debootstrap(suite: str, folder: Path) -> None:
    sources.say(f"making a clean root of Debian {suite}")
    words: list[str | Path] = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}"]
    sources.command([*words, suite, folder, sources.mirror()], folder.parent)
    shutil.rmtree(folder / "var" / "cache" / "apt", ignore_errors=True)


def _cgroups() -> Path | None:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


class CleanRoot:
    """A booted Debian."""

    def __init__(self, process: "subprocess.Popen[bytes]"):
        self._process = process
        self._init = 0

    def wait_until_booted(self) -> None:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        wait_until(lambda: bool(children.read_text().strip()), "the first process of the clean root")
        self._init = int(children.read_text())
        booted = ("running", "degraded")
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False).strip() in booted, "systemd")

    def run(self, *words: str, check: bool = True, limit_s: float = 600.0) -> str:
        """What a command in the root prints, errors among it; an AssertionError with that when it fails."""
        spaces = ("--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd")
        enter = ["nsenter", f"--target={self._init}", *spaces]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run([*enter, *words], env=environment, text=True, timeout=limit_s, **both)
        assert done.returncode == 0 or not check, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
        return str(done.stdout)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def path(self, name: str) -> Path:
        """A file of the root, as this side can read and write it."""
        return Path(f"/proc/{self._init}/root") / name.lstrip("/")


@contextmanager
def booted(base: Path, room: Path) -> Iterator[CleanRoot]:
    """A CleanRoot over the kept root `base`, gone with all its processes at the end; `room`: an empty folder."""
    top = _cgroups()
    assert top
    group = top / f"wayside-test-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    join = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    words = ["sh", "-c", join, str(group), *_UNSHARE, "sh", "-c", _BOOT, "sh", str(base), str(room)]
    console = room / "console.log"
    with console.open("wb") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    root = CleanRoot(process)
    try:
        root.wait_until_booted()
        yield root
    except AssertionError as error:
        tail = "\n".join(console.read_text(errors="replace").splitlines()[-40:])
        raise AssertionError(f"{error}\nThe console's last lines:\n{tail}") from None
    finally:
        process.kill()  # with it goes the first process of the namespace, and with that one all others
        process.wait()
        _remove(group)


def _remove(group: Path) -> None:
    """A group's processes are gone; the kernel may need a moment to see it."""

    def gone() -> bool:
        for folder in sorted((each for each in group.rglob("*") if each.is_dir()), reverse=True):
            with suppress(OSError):
                folder.rmdir()
        with suppress(OSError):
            group.rmdir()
        return not group.exists()

    wait_until(gone, f"{group} empty")


if __name__ == "__main__":
    print(kept_root(sys.argv[1]))
