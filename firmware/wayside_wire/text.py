"""Texts for people: units, reasons, error messages; and the names of devices and channels.

Printable ASCII only, because they are shown in terminals and written to logs as they are, and because a character is
then a byte on the wire.
"""

_PRINTABLE = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

_MAX_NAME = 48
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:._"


def is_name(name) -> bool:
    """Whether `name` may name a device or a channel: RFC 8428 section 4.5.1, without the slash between the two.

    It is safe as a file name, and as a part of a topic.
    """
    if not (isinstance(name, str) and 0 < len(name) <= _MAX_NAME) or name[0] in "-:._":
        return False
    return not name.strip(_NAME_CHARACTERS)


def is_printable(text, limit: int) -> bool:
    """Whether `text` is a string of printable ASCII of at most `limit` characters."""
    return isinstance(text, str) and len(text) <= limit and not text.strip(_PRINTABLE)


def printable(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, with a question mark for each that cannot be shown."""
    text = text[:limit]
    return "".join([each if " " <= each <= "~" else "?" for each in text]) if text.strip(_PRINTABLE) else text
