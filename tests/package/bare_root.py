"""A minimal Debian with nothing but git and make, to type a newcomer's first commands in.

Its root is made by debootstrap and kept in the cache; each BareMachine is a fresh layer over it. Needs root and
overlayfs. What makes the package registries reachable on this machine (certificates, pip's and npm's settings) is taken
along; packages, headers and the cache of builds are not.
"""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from package.clean_root import ROOT, sources

_PACKAGES = "ca-certificates,git,make,sudo"
_SETTINGS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf", "/etc/resolv.conf", "/etc/hosts")
_VARIABLES = (
    "PIP_CERT", "PIP_INDEX_URL", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "http_proxy",
    "https_proxy", "no_proxy",
)  # fmt: skip
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNSHARE = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")

# Containers often allow no mounts, and their own file system no layers above it.
_TRY = """set -e
mount --make-rprivate /
cd "$1"
mkdir lower upper work root
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" root
"""

# $1 the kept root, $2 the room for the layer, then the command. Every command finds what the one before it has left.
_ENTER = """set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir -m 1777 dev/shm
mkdir dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
shift 2
exec chroot . "$@"
"""


def why_not() -> str:
    """Why there can be no bare machine here; empty when there can."""
    if os.geteuid() != 0:
        return "needs root, for debootstrap and for namespaces"
    for name in ("debootstrap", "unshare"):
        if not shutil.which(name):
            return f"{name} is not here"
    with tempfile.TemporaryDirectory() as room:
        tried = subprocess.run([*_UNSHARE, "sh", "-c", _TRY, "sh", room], capture_output=True, text=True)
    return f"no layers can be mounted in namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


def kept_bare_root(suite: str) -> Path:
    """The minimal root of a Debian suite from the cache, made first when it is not there. SourceError."""
    with sources.locked(sources.CACHE / "roots.lock"):
        return sources.kept(sources.CACHE / "roots" / f"bare_{suite}-1", lambda folder: _debootstrap(suite, folder))


def _debootstrap(suite: str, folder: Path) -> None:
    sources.say(f"making a bare root of Debian {suite}")
    words: list[str | Path] = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}"]
    sources.command([*words, suite, folder, sources.mirror()], folder.parent)
    shutil.rmtree(folder / "var" / "cache" / "apt", ignore_errors=True)


class BareMachine:
    """A layer over the bare root of a suite in the empty folder `room`; `user` types: root, or one who may use sudo."""

    def __init__(self, suite: str, room: Path, user: str):
        self._base = kept_bare_root(suite)
        self._room = room
        self._user = user
        for name in ("upper", "work", "root"):
            (room / name).mkdir()
        for name in _SETTINGS:
            with suppress(FileNotFoundError):
                self._write(name, Path(name).read_bytes())
        self._write("/etc/dpkg/dpkg.cfg.d/unsafe", b"force-unsafe-io\n")  # no power is cut here
        self.home = "/root" if user == "root" else f"/home/{user}"
        if user != "root":
            self.run("useradd", "--create-home", "--shell", "/bin/bash", user, by="root")
            self._write(f"/etc/sudoers.d/{user}", f"{user} ALL=(ALL) NOPASSWD: ALL\n".encode())
        with suppress(FileNotFoundError):
            self._write(f"{self.home}/.npmrc", (Path.home() / ".npmrc").read_bytes())

    def clone(self) -> str:
        """The folder of a fresh clone of this project, as it was last committed, in the user's home."""
        # Without its history: this clone itself may have none.
        source, project = f"file://{ROOT}", self._room / "upper" / "project.git"
        subprocess.run(["git", "clone", "--quiet", "--bare", "--depth=1", source, project], check=True)
        self.run("chown", "--recursive", self._user, "/project.git", by="root")
        self.run("git", "clone", "--quiet", "file:///project.git", f"{self.home}/wayside")
        return f"{self.home}/wayside"

    def remove(self) -> None:
        """Give the layer's gigabytes back."""
        for name in ("upper", "work"):
            shutil.rmtree(self._room / name, ignore_errors=True)

    def run(self, *words: str, by: str = "", folder: str = "/", limit_s: float = 5400.0) -> str:
        """What a command prints, errors among it; an AssertionError with the end of that when it fails."""
        user = by or self._user
        kept = [f"{name}={os.environ[name]}" for name in _VARIABLES if name in os.environ]
        home = ["HOME=/root"] if user == "root" else [f"HOME={self.home}"]
        typed = ["env", "-i", f"--chdir={folder}", f"PATH={_PATH}", "LANG=C.UTF-8", *home, *kept, *words]
        as_user = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        command = [*_UNSHARE, "sh", "-c", _ENTER, "sh", self._base, self._room, *as_user, *typed]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit_s)
        tail = "\n".join(done.stdout.splitlines()[-60:])
        assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{tail}"
        return done.stdout

    def _write(self, name: str, content: bytes) -> None:
        path = self._room / "upper" / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
