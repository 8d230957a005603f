"""The sensors by the name that a configuration calls them, and how each is opened on a board.

A board has open_uart(port, baud, parity); one with I2C sensors also open_i2c(port), one with contacts open_pin(name),
which gives a function without parameters that says whether the contact is closed.
"""

from wayside_wire.lora_report import Channel

from . import contact, inputs, qmc5883l

_UARTS = ("sds011", "pms5003")
_BUSES = ("scd41", "bme280")
KINDS = _UARTS + _BUSES + ("qmc5883l", "pulses", "loop", "digital")


def open_sensor(kind: str, options: dict, board, clock, files, state: str):
    """(driver, its channels); ValueError for what is not known. files, state: where values are kept."""
    if kind not in KINDS:
        raise ValueError("%s is no sensor; there are %s" % (kind, ", ".join(KINDS)))
    try:
        return _open(kind, dict(options), board, clock, files, state)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("sensor %s: %s: an option is missing, or this board cannot do it" % (kind, error))


def _open(kind: str, options: dict, board, clock, files, state: str):
    port = options.pop("port")
    if kind in _UARTS or kind in _BUSES:
        module = __import__("wayside_node.sensors." + kind, None, None, (kind,))
        line = board.open_uart(port, module.BAUD, "N") if kind in _UARTS else board.open_i2c(port)
        return module.Driver(line, clock, **options), module.CHANNELS
    if kind == "qmc5883l":
        kept = qmc5883l.BaseFile(files, state + "/parking")
        parking = qmc5883l.Parking(base=kept.load(), **options)
        driver = qmc5883l.Driver(board.open_i2c(port), clock, parking, kept.save)
        if kept.new:
            driver.learn()  # who starts a new node sees to it that the space is free
        return driver, qmc5883l.CHANNELS
    pin = board.open_pin(port)
    if kind == "loop":
        return contact.Loop(pin, clock, **options), contact.LOOP_CHANNELS
    if kind == "digital":
        driver = inputs.Digital(pin, clock, **options)
        return driver, driver.channels
    channel = Channel(options.pop("channel"), options.pop("unit"), options.pop("exponent"))
    register = contact.Register(files, "%s/pulses-%s" % (state, channel.name))
    return contact.Pulses(pin, clock, register, channel, **options), (channel,)
