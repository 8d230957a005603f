"""The sensors by the name that a configuration calls them, and how each is opened on a board."""

_UARTS = ("sds011", "pms5003")
KINDS = _UARTS


def open_sensor(kind: str, options: dict, board, clock):
    """(driver, its channels); ValueError for a name or option that is not known."""
    if kind not in KINDS:
        raise ValueError("%s is no sensor; there are %s" % (kind, ", ".join(KINDS)))
    module = __import__("wayside_node.sensors." + kind, None, None, (kind,))
    options = dict(options)
    port = board.open_uart(options.pop("port", None), module.BAUD, "N")
    try:
        return module.Driver(port, clock, **options), module.CHANNELS
    except TypeError:
        raise ValueError("%s: an option that it does not have among %s" % (kind, ", ".join(sorted(options))))
