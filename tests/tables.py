"""Control tests as tables: a line is a while in which inputs and expected outputs stay as they are."""

from collections.abc import Callable


def rows(text: str) -> list[list[str]]:
    """The columns of each line, which two blanks or more keep apart; "-" is nothing; `#` begins a remark."""
    lines = [line.split("#")[0].split("  ") for line in text.splitlines()]
    columns = [[column.strip() for column in line if column.strip()] for line in lines]
    return [["" if column == "-" else column for column in line] for line in columns if line]


def names(column: str) -> tuple[str, ...]:
    return tuple(column.replace(",", " ").split())


def play(text: str, inputs: int, tick: Callable[..., tuple[str, ...]]) -> None:
    """Lines of: for how many ticks, so many columns of inputs, and what `tick(*inputs)` says in each of these ticks."""
    for line, (ticks, *columns) in enumerate(rows(text), 1):
        for number in range(int(ticks)):
            found = tick(*columns[:inputs])
            assert found == tuple(columns[inputs:]), f"line {line}, tick {number + 1}: {columns}"
