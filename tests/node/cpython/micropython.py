"""What the node's files need of MicroPython's own module when they run on CPython."""


def const(value):
    return value
