"""What strangers chose, such as a topic or a name, made fit for a terminal, a message or a page. Imports nothing.

A control character in it could move the cursor, begin another line or turn the direction of writing, and so say what
nobody said.
"""


def printable(text: object, most: int = 200) -> str:
    """One line of at most `most` characters; what cannot be printed is shown as its escape, such as \\x1b."""
    whole = str(text)
    cut = whole[: most + 1]
    if not cut.isprintable():
        cut = "".join(each if each.isprintable() else _escape(each) for each in cut)
    return cut if len(cut) <= most else cut[: most - 1] + "…"


def printable_lines(text: str) -> str:
    """The same of a text of several lines, whose line breaks and tabs stay; it is not cut."""
    if text.isprintable():
        return text
    return "".join(each if each in "\n\t" or each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
