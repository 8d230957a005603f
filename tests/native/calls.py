"""Calls of wayside_native in the real VM."""

from collections.abc import Callable
from typing import Any

Ask = Callable[[list[tuple[str, list[str]]]], list[Any]]
"""Takes (function, arguments in hexadecimal) of each call; results: hexadecimal, a bool or the text of an error."""

PROGRAM = """
import binascii, json, sys, wayside_native as native
unhex = binascii.unhexlify
for line in sys.stdin:
    name, arguments = json.loads(line)
    try:
        result = getattr(native, name)(*[unhex(a) for a in arguments])
        print(json.dumps(result if isinstance(result, bool) else binascii.hexlify(result).decode()))
    except ValueError as error:
        print(json.dumps("ValueError: " + str(error)))
"""
