"""A node whose link to the gateway is MQTT: the real node in its VM, a real broker, the real gateway, and cuts.

Between node and broker stands a proxy that cuts each connection after a few bytes more than the one before, so that
every step of connecting, subscribing and publishing is cut. In the end the log has every pack once.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from north.certificates import Authority
from north.mosquitto import PROGRAM, Mosquitto
from north.proxy import Proxy
from path.mqtt_site import Site
from wayside.lab.plant import Sdm630, answer_for, serve_pty
from wayside.settings.secret_role import Role
from wayside.site import secret_files

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no mosquitto; install the Debian package mosquitto")


def test_every_step_of_the_link_is_cut_and_no_pack_is_lost_or_twice(tmp_path: Path, micropython: Path):
    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(serve_pty(answer_for({1: Sdm630(1)}), 115_200))
            broker = stack.enter_context(Mosquitto(tmp_path))
            proxy = await stack.enter_async_context(Proxy(broker.port))
            site = Site(tmp_path, micropython, line, {"mqtt": f"mqtt://127.0.0.1:{proxy.port}"})
            stack.push_async_callback(site.stop)
            await site.start(f"mqtt://127.0.0.1:{broker.port}")
            await site.until_packs(2)
            # CONNECT ends after 30 bytes, SUBSCRIBE after 82, the first PUBLISH somewhere behind 300.
            for after in (0, 20, 31, 82, 120, 400, 1200):
                connections = proxy.connections
                proxy.cut_after_up = after
                proxy.cut()
                async with asyncio.timeout(60):
                    while proxy.connections == connections or proxy.cut_after_up is not None:
                        await asyncio.sleep(0.02)
            for after in (0, 5, 60):
                connections = proxy.connections
                proxy.cut_after_down = after
                proxy.cut()
                async with asyncio.timeout(60):
                    while proxy.connections == connections or proxy.cut_after_down is not None:
                        await asyncio.sleep(0.02)
            await site.until_packs(site.packs() + 5)
            broker.stop()
            await asyncio.sleep(1.5)
            broker.start()
            await site.until_packs(site.packs() + 12)
            await site.stop()
            findings = site.judge()
            assert "COMPLETE: packs from 1/0 to" in findings["meter-1 sequence"]

    asyncio.run(scenario())


def test_over_tls_the_node_trusts_its_authority_and_no_other(tmp_path: Path, micropython: Path):
    async def scenario() -> None:
        for name, trusted in (("right", True), ("wrong", False)):
            folder = tmp_path / name
            folder.mkdir()
            authority, other = Authority(folder, "ours"), Authority(folder, "theirs")
            certificate, key = authority.issue("broker")
            pem = (authority if trusted else other).ca_file.read_bytes()
            der = folder / "authority.der"
            der.write_bytes(load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
            async with AsyncExitStack() as stack:
                line = await stack.enter_async_context(serve_pty(answer_for({1: Sdm630(1)}), 115_200))
                files = [f"certfile {certificate}", f"keyfile {key}"]
                broker = stack.enter_context(Mosquitto(folder, *files))
                url = f"mqtts://127.0.0.1:{broker.port}"
                site = Site(folder, micropython, line, {"mqtt": url, "ca": str(der)})
                stack.push_async_callback(site.stop)
                secret_files.write(folder / "site.toml", Role.TLS, "ca.pem", authority.ca_file.read_bytes())
                await site.start(url, 'ca_file = "ca.pem"')
                if trusted:
                    await site.until_packs(3)
                    continue
                async with asyncio.timeout(60):
                    while "mqtt: 127.0.0.1:" not in (folder / "node.log").read_text():
                        await asyncio.sleep(0.05)
                assert site.packs() == 0

    asyncio.run(scenario())
