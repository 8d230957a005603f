"""What is shown to people who help: enough, and nothing that is secret."""

import asyncio
import io
import tarfile
from base64 import b64encode
from pathlib import Path

from wayside.cli import main
from wayside.daemon.daemon import Daemon
from wayside.daemon.status import snapshot
from wayside.runtime.clock import SystemClock
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files, support_bundle

SITE = """
[site]
name = "test.example"
[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://kerb-user@127.0.0.1:1"
password_file = "mqtt-password"
"""
PASSWORD = "correct-horse-battery"


def test_a_bundle_tells_much_and_no_secret(tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    content = secret_files.password_lines("mqtt://127.0.0.1:1", PASSWORD)
    secret_files.write(site, Role.PASSWORD, "mqtt-password", content.encode())

    async def scenario() -> bytes:
        daemon = Daemon(config.load(site), site, SystemClock())
        running = asyncio.create_task(daemon.run())
        await daemon.ready.wait()
        made = support_bundle.make(site, tmp_path / "state", snapshot(daemon.parts))
        while not (tmp_path / "state" / "status.sock").exists():
            await asyncio.sleep(0.02)
        assert await asyncio.to_thread(main, ["top", str(site), "--times", "2", "--every", "0.1"]) == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return made

    data = asyncio.run(scenario())
    assert "sink city is not connected" in capsys.readouterr().out
    with tarfile.open(fileobj=io.BytesIO(data)) as bundle:
        files = {name: bundle.extractfile(name).read() for name in bundle.getnames()}  # type: ignore[union-attr]
    everything = b"\n".join(files.values())
    assert b"test.example/log/0" in everything and b"settings.txt" in b" ".join(name.encode() for name in files)
    keys = [path.read_bytes() for path in (tmp_path / "state").glob("*.key")]
    assert len(keys) == 2
    for secret in [PASSWORD.encode(), b"kerb-user", *keys]:
        for form in (secret, secret.hex().encode(), b64encode(secret).rstrip(b"=")):
            assert form.lower() not in everything.lower()
    assert main(["support-bundle", str(site), str(tmp_path / "bundle.tar.gz")]) == 0
    assert (tmp_path / "bundle.tar.gz").stat().st_size > 500
    assert main(["top", str(site), "--times", "1"]) == 1
