"""A Raspberry Pi Pico that runs the real image, in a child process and in simulated time.

`process.Emulator` is the Python side; the *.js around it are the child: board.js (supply, reset, time), pl011.js,
flash.js and console.js mend what rp2040js lacks. install.py brings Node.js, rp2040js and the boot ROM.
"""

from ..events import Event, FlashWork, PinEdge, Reset, SpiByte, UartByte, UsbOutput
from .install import MissingError
from .process import Emulator, EmulatorError

__all__ = [
    "Emulator",
    "EmulatorError",
    "Event",
    "FlashWork",
    "MissingError",
    "PinEdge",
    "Reset",
    "SpiByte",
    "UartByte",
    "UsbOutput",
]
