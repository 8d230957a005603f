"""A node of the board RP2040_RADIO: a modelled SX1276 on its SPI, in the air that it shares with others."""

import json
from pathlib import Path
from random import Random
from typing import Any

from ..contact import Contact
from ..emulator import Emulator
from ..lora.air import Air
from ..lora.modem import LoraModem, Wires
from ..lora.sx1276 import Sx1276
from ..world import World
from .console import NodeRepl

# boards/RP2040_RADIO/wiring.md
LINK_UART, SERIAL_UART = 0, 1
CONTACTS = {"contact1": 10, "contact2": 11}
WIRES = Wires(spi=0, nss=17, reset=20, dio0=21, dio1=22)


class RadioNode:
    """The bench with one node on it. Its neighbours in the air: world.join()."""

    def __init__(self, image: Path, air: Air, flash: Path | None = None, seed: int = 1):
        self.board = Emulator(image, flash, seed=seed)
        self.chip = Sx1276(air)
        self.modem = LoraModem(self.board, WIRES, self.chip)
        self.world = World(self.board, self.modem)
        self.repl = NodeRepl(self.world)
        random = Random(seed)
        self.contacts = {name: Contact(self.board, pin, random) for name, pin in CONTACTS.items()}

    def provision(self, config: dict[str, Any]) -> bytes:
        """As a technician does: write the configuration over the console. Returns the board's public key."""
        self.repl.wait(b">>> ")
        self.repl.enter()
        self.repl.write_file("/node.json", json.dumps(config, separators=(",", ":")).encode())
        code = "from wayside_node.radio_app import main\nmain(['--config','/node.json','--public-key'])"
        return bytes.fromhex(self.repl.run(code).strip())

    def start(self) -> None:
        """Switch the board off and on."""
        self.board.cut_power()
        self.board.restore_power(self.board.now + 100_000_000)
        self.world.run_for(100_000_000)

    def cut_power(self) -> None:
        """Until start()."""
        self.board.cut_power()

    def close(self) -> None:
        self.board.close()

    def __enter__(self) -> "RadioNode":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
