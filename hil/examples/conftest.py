"""A plant and a step of one's own: no file of the bench is edited."""

from wayside_hil.registry import deed, plant, step


class Morse:
    """Reads long and short lights of a lamp."""

    def __init__(self, pin):
        self.lights_ms = []
        self._pin = pin
        self._since = None

    def see(self, event):
        if getattr(event, "pin", None) != self._pin:
            return
        if event.level:
            self._since = event.at
        elif self._since is not None:
            self.lights_ms.append((event.at - self._since) / 1e6)

    def settle(self, now_ns):
        """It does nothing by itself."""


@plant("morse", needs={"pins"})
def morse(board, pin: int):
    return Morse(pin)


@step("lights", wants=("lamp",))
def lights(dut, count: int, within_ns: int):
    """The lamp was lit so often."""
    dut.world.until(lambda: len(dut.plants.lamp.lights_ms) >= count, f"{count} lights", within_ns)


@deed("press for 200 ms", wants=("btn1",))
def press(dut):
    dut.plants.btn1.close()
    dut.run_for(0.2)
    dut.plants.btn1.open()
    dut.run_for(0.1)
