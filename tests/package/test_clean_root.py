"""The package in a clean Debian: installed, configured, started by systemd, upgraded, removed, purged."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from package.clean_root import CleanRoot, SourceError, booted, is_kept, kept_root, why_not
from waiting import wait_until
from wayside.evidence.note import ED25519, NoteKey
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.trust.keys import load

UNITS = ("wayside.service", "wayside-signals@.service", "wayside-signals-monitor@.service")
JUNCTION = Path(__file__).resolve().parents[1] / "signals" / "bench_site.toml"
STATE = "/var/lib/wayside"
SITE = """[site]
name = "clean.wayside.example"

[[bus]]
name = "switchboard"
endpoint = "tcp://127.0.0.1:{port}"

[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 200
report_ms = 400
channels = ["voltage_l1", "energy_active_import"]
"""

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_life_of_a_package(suite: str, deb: Path, tmp_path: Path):
    if suite != "bookworm" and not is_kept(suite):
        pytest.skip(f"no root of {suite} in the cache: PYTHONPATH=tests python -m package.clean_root {suite}")
    try:
        base = kept_root(suite)
    except SourceError as error:
        pytest.skip(f"no clean root can be made here: {error}")
    asyncio.run(live(base, deb, tmp_path))


async def live(base: Path, deb: Path, room: Path) -> None:
    with booted(base, room) as root:
        install(root, deb)
        examine(root)
        control(root)
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            await asyncio.to_thread(configure, root, port)
            await asyncio.to_thread(read_something, root)
            await asyncio.to_thread(reload, root)
            await asyncio.to_thread(survive, root)
            await asyncio.to_thread(upgrade, root)
        remove(root)


def as_gateway(root: CleanRoot, *words: str, check: bool = True) -> str:
    return root.run("setpriv", "--reuid=wayside", "--regid=wayside", "--clear-groups", *words, check=check)


def install(root: CleanRoot, deb: Path) -> None:
    shutil.copy(deb, root.path("/root/wayside.deb"))
    said = root.run("dpkg", "--install", "/root/wayside.deb")
    assert "/etc/wayside/site.example.toml" in said, "it says what to do next"
    for user in ("wayside", "wayside-signals", "wayside-monitor"):
        assert root.run("getent", "passwd", user)
    assert root.run("systemctl", "is-enabled", "wayside.service").strip() == "enabled"
    root.run("systemctl", "start", "wayside.service")
    # No site file yet: that is no failure, and nothing is tried again and again.
    assert root.show("wayside.service", "ActiveState") == "inactive"
    assert root.show("wayside.service", "ConditionResult") == "no"
    assert "wayside" not in root.run("systemctl", "--failed", "--plain", "--no-legend")


def examine(root: CleanRoot) -> None:
    for unit in UNITS:
        at = f"/usr/lib/systemd/system/{unit}"
        assert root.run("systemd-analyze", "verify", "--man=no", at) == ""
        said = root.run("systemd-analyze", "security", "--offline=true", "--no-pager", at)
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
        assert found and float(found[1]) <= 2.0, said
    said = root.run("wayside", "check", "/etc/wayside/site.example.toml", check=False)
    assert all("is not there; " in line for line in said.splitlines()), "only the site's own files are missing"
    assert "good" in root.run("wayside", "signals", "check", "/usr/share/doc/wayside/examples/junction.toml")


# A serial line on which nobody speaks, where the unit looks for the node's. By itself the unit allows no ptys.
LINE = """import os, signal
master, slave = os.openpty()
os.symlink(os.ttyname(slave), "/dev/wayside-bench-controller")
os.chmod(os.ttyname(slave), 0o666)
signal.pause()
"""
ALLOW_PTYS = "[Service]\nDeviceAllow=char-pts rw\n"


def control(root: CleanRoot) -> None:
    """A junction's controller comes up under its unit, and says that it hears no node."""
    unit, state = "wayside-signals@bench.service", "/var/lib/wayside-signals/bench"
    root.path(f"/run/systemd/system/{unit}.d").mkdir(parents=True)
    root.path(f"/run/systemd/system/{unit}.d/ptys.conf").write_text(ALLOW_PTYS)
    shutil.copy(JUNCTION, root.path("/etc/wayside/junctions/bench.toml"))
    root.run("install", "-d", "-o", "wayside-signals", "-g", "wayside-signals", "-m", "700", state)
    root.path(f"{state}/line.key").write_text("11" * 32)
    root.run("chown", "wayside-signals:", f"{state}/line.key")
    root.run("chmod", "600", f"{state}/line.key")
    root.run("systemd-run", "--unit=line", "python3", "-c", LINE)
    wait_until(lambda: root.path("/dev/wayside-bench-controller").is_symlink(), "the line")
    root.run("systemctl", "daemon-reload")
    root.run("systemctl", "start", unit)
    assert root.show(unit, "StatusText") == "flash: the node is not heard"
    root.run("systemctl", "stop", unit)
    assert root.show(unit, "Result") == "success"


def configure(root: CleanRoot, port: int) -> None:
    root.path("/root/site.toml").write_text(SITE.format(port=port))
    assert "good" in root.run("wayside", "check", "/root/site.toml")
    root.run("install", "-D", "-o", "wayside", "-g", "wayside", "-m", "600", "/root/site.toml", f"{STATE}/site.toml")
    root.run("systemctl", "start", "wayside.service")  # Type=notify: returns when the gateway is ready
    assert root.show("wayside.service", "ActiveState") == "active"


def read_something(root: CleanRoot) -> None:
    """Evidence of a reading, which the verifier of the same package accepts, and no other key's."""
    wait_until(lambda: "meter-1" in as_gateway(root, "wayside", "log", f"{STATE}/site.toml"), "a reading in the log")
    as_gateway(root, "wayside", "export", f"{STATE}/site.toml", "/tmp/evidence", "--device", "meter-1")
    public = load(root.path(f"{STATE}/state/log.key")).public
    key = NoteKey("clean.wayside.example/log/0", ED25519, public)
    said = root.run("wayside", "verify", "/tmp/evidence", "--key", str(key))
    assert "everything holds" in said and "gateway-attested" in said, said
    other = NoteKey(key.name, ED25519, public[::-1])
    assert "everything holds" not in root.run("wayside", "verify", "/tmp/evidence", "--key", str(other), check=False)


def reload(root: CleanRoot) -> None:
    """A site file that was edited by hand is taken up by the process that runs."""
    before = root.show("wayside.service", "MainPID")
    site = root.path(f"{STATE}/site.toml")
    site.write_text(site.read_text() + "[log]\ncommit_ms = 20\n")
    root.run("systemctl", "reload", "wayside.service")
    history = ("wayside", "config", "history", f"{STATE}/site.toml")
    wait_until(lambda: "2 " in as_gateway(root, *history) and "in force" in as_gateway(root, *history).splitlines()[-1])
    assert root.show("wayside.service", "MainPID") == before


def survive(root: CleanRoot) -> None:
    before = root.show("wayside.service", "MainPID")
    root.run("systemctl", "kill", "--signal=KILL", "wayside.service")
    wait_until(
        lambda: (
            root.show("wayside.service", "ActiveState") == "active"
            and root.show("wayside.service", "MainPID") != before
        ),
        "the gateway after kill -9",
    )


def upgrade(root: CleanRoot) -> None:
    before = root.show("wayside.service", "MainPID")
    root.run("dpkg", "--install", "/root/wayside.deb")
    assert root.show("wayside.service", "ActiveState") == "active"
    assert root.show("wayside.service", "MainPID") != before, "it runs what was installed"
    assert "meter-1" in as_gateway(root, "wayside", "log", f"{STATE}/site.toml"), "with the log that was there"


def remove(root: CleanRoot) -> None:
    root.run("dpkg", "--remove", "wayside")
    assert root.show("wayside.service", "ActiveState") == "inactive"
    assert not root.path("/usr/lib/wayside").exists(), "no bytecode is left behind"
    assert root.path(f"{STATE}/state/log.key").exists(), "state outlives the package"
    said = root.run("dpkg", "--purge", "wayside")
    assert f"deleted {STATE} with its log" in said
    assert not root.path(STATE).exists() and not root.path("/etc/wayside/site.example.toml").exists()
    assert root.path("/etc/wayside/junctions/bench.toml").exists(), "what somebody wrote there is theirs"
