"""Control tests as tables: a line is a while in which inputs and expected outputs stay as they are."""


def rows(text: str) -> list[list[str]]:
    """The columns of each line, which two blanks or more keep apart; "-" is nothing; `#` begins a remark."""
    lines = [line.split("#")[0].split("  ") for line in text.splitlines()]
    columns = [[column.strip() for column in line if column.strip()] for line in lines]
    return [["" if column == "-" else column for column in line] for line in columns if line]


def names(column: str) -> tuple[str, ...]:
    return tuple(column.replace(",", " ").split())
