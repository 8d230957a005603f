"""Texts for people: units, reasons, error messages.

Printable ASCII only, because they are shown in terminals and written to logs as they are, and because a character is
then a byte on the wire.
"""

_PRINTABLE = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"


def is_printable(text, limit: int) -> bool:
    """Whether `text` is a string of printable ASCII of at most `limit` characters."""
    return isinstance(text, str) and len(text) <= limit and not text.strip(_PRINTABLE)


def printable(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, with a question mark for each that cannot be shown."""
    text = text[:limit]
    return "".join([each if " " <= each <= "~" else "?" for each in text]) if text.strip(_PRINTABLE) else text
