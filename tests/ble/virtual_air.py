"""A node's real Bluetooth stack (NimBLE, aioble) on a virtual controller, and a telephone on another: both Bumble's.

Needs the package bumble, and the sources that no registry has: NIMBLE_DIR names mynewt-nimble at the commit that our
MicroPython pins, MPY_LIB_DIR a checkout of micropython-lib.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

bumble = pytest.importorskip("bumble", reason="the package bumble is not installed")
from bumble import ll  # noqa: E402
from bumble.controller import Controller, LegacyAdvertiser  # noqa: E402
from bumble.device import Advertisement, Connection, Device  # noqa: E402
from bumble.hci import Address, HCI_LE_Set_Advertising_Parameters_Command  # noqa: E402
from bumble.host import Host  # noqa: E402
from bumble.link import LocalLink  # noqa: E402
from bumble.transport.pty import open_pty_transport  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "54:48:E6:8F:80:A5"
_TELEPHONE = "F0:F1:F2:F3:F4:F5"
CONNECTABLE = HCI_LE_Set_Advertising_Parameters_Command.AdvertisingType.ADV_IND


def sources() -> tuple[Path, Path]:
    """(NimBLE, aioble); skipped with the reason where they are not."""
    sys.path.insert(0, str(ROOT / "tools"))
    import mpylib

    nimble = Path(os.environ.get("NIMBLE_DIR") or "/nowhere")
    if not (nimble / "nimble/host/src/ble_gap.c").exists():
        pytest.skip("NIMBLE_DIR does not name a folder with mynewt-nimble, which is in no package registry")
    try:
        return nimble, mpylib.checkout() / "micropython" / "bluetooth" / "aioble"
    except mpylib.LibraryError as error:
        pytest.skip(str(error))


def build_board(nimble: Path) -> Path:
    """The virtual board's interpreter with Bluetooth."""
    import sources as fetched
    import virtual_board

    try:
        return virtual_board.executable(nimble)
    except fetched.SourceError as error:
        pytest.skip(f"MicroPython with NimBLE cannot be built here: {error}")


class _Advertiser(LegacyAdvertiser):
    """Bumble's puts connectable advertisements alone on the air. A scanner here hears the others too."""

    def send_advertising_data(self) -> None:
        if self.enabled:
            self.controller.send_advertising_pdu(ll.AdvInd(self.address, self.advertising_data))


class Air:
    """Whatever is in reach: the node's controller and the telephone's."""

    def __init__(self, node: Controller, telephone: Device):
        self.telephone = telephone
        self.heard: list[Advertisement] = []
        self._node = node
        telephone.on("advertisement", self.heard.append)

    @property
    def is_connectable(self) -> bool:
        """What the node said last when it began to advertise."""
        advertiser = self._node.le_legacy_advertiser
        return advertiser.enabled and advertiser.advertising_type == CONNECTABLE

    async def connect(self) -> Connection:
        """The telephone to the node."""
        return await asyncio.wait_for(self.telephone.connect(Address(ADDRESS, Address.PUBLIC_DEVICE_ADDRESS)), 60)

    def services(self) -> list[bytes]:
        """BTHome's service data in what was heard."""
        found = []
        for each in self.heard:
            for uuid, data in each.data.get_all(
                0x16
            ):  # Service Data, Core Specification Supplement part A section 1.11
                if uuid.to_hex_str() == "FCD2":
                    found.append(bytes(data))
        return found


@asynccontextmanager
async def air(line: Path) -> AsyncIterator[Air]:
    """`line`: where the node finds its controller (MICROPYBTUART)."""
    transport = await open_pty_transport(str(line))
    try:
        link = LocalLink()
        public = Address.PUBLIC_DEVICE_ADDRESS
        node = Controller(
            "node", host_source=transport.source, host_sink=transport.sink, link=link,
            public_address=Address(ADDRESS, public),
        )  # fmt: skip
        node.le_legacy_advertiser = _Advertiser(node)
        node.random_address = node.public_address  # Bumble's link takes it for the sender of all that is sent
        host = Host()
        controller = Controller("telephone", link=link)
        host.controller = controller
        controller.host = host
        telephone = Device(address=Address(_TELEPHONE), host=host)
        await telephone.power_on()
        yield Air(node, telephone)
    finally:
        await transport.close()


class Node:
    """The role `beacon` in the VM. `said`: its standard error."""

    def __init__(self, interpreter: Path, aioble: Path, line: Path, config: Path):
        paths = (".frozen", ROOT / "firmware", ROOT / "boards" / "UNIX", aioble)
        environment = os.environ | {"MICROPYBTUART": str(line), "MICROPYPATH": ":".join(map(str, paths))}
        self._log = config.with_suffix(".log").open("ab+")
        words = [interpreter, "-m", "wayside_node.ble_app", "--config", config]
        self._process = subprocess.Popen(words, cwd=config.parent, env=environment, stdout=self._log, stderr=self._log)

    @property
    def said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def ended(self) -> int:
        """The exit status, once it has ended by itself."""
        return self._process.wait(timeout=60)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
