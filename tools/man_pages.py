"""The manual pages, from what the program and its documents say: nothing is written twice.

wayside(1) from the command line's own tree, wayside-site.toml(5) from the commented example, wayside.service(8) from
docs/service.md. In the man macros of groff (man(7)).
"""

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path

from wayside import cli

ROOT = Path(__file__).resolve().parent.parent


def pages(seconds: int) -> dict[str, str]:
    """Each page's file name and text; seconds since 1970: the date that they bear."""
    date = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    documents = ROOT / "docs"
    return {
        "wayside.1": _page("wayside(1)", date, _CommandPage(cli.parser()).lines()),
        "wayside-site.toml.5": _page(
            "wayside-site.toml(5)", date, _site_file((documents / "site.example.toml").read_text())
        ),
        "wayside.service.8": _page("wayside.service(8)", date, _service((documents / "service.md").read_text())),
    }


def _page(title: str, date: str, lines: Iterator[str]) -> str:
    name, section = title.rstrip(")").split("(")
    others = [f".BR {other} ({number})" for other, number in _ALL if other != name]
    head = f'.TH {name.upper()} {section} {date} Wayside "Wayside"'
    return "\n".join([head, *lines, ".SH SEE ALSO", " ,\n".join(others), ""])


_ALL = (("wayside", 1), ("wayside-site.toml", 5), ("wayside.service", 8))


def _text(text: str) -> str:
    """Running text: `code` in bold, nothing taken for a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"\*\*(.+?)\*\*|`(.+?)`", lambda found: f"\\fB{found[1] or found[2]}\\fP", text)
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in text.splitlines())


def _verbatim(text: str) -> Iterator[str]:
    yield from (".EX", _code(text), ".EE")


def _code(text: str) -> str:
    lines = text.rstrip().replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in lines)


class _CommandPage:
    """wayside(1): each command with what its module says about itself, its arguments and its verbs."""

    def __init__(self, parser: argparse.ArgumentParser):
        self._parser = parser

    def lines(self) -> Iterator[str]:
        yield from (".SH NAME", "wayside \\- " + _text((self._parser.description or "").rstrip(".").lower()))
        yield from (".SH SYNOPSIS", ".B wayside", "\\fICOMMAND\\fP [\\fIARGUMENT\\fP]...", ".SH COMMANDS")
        (commands,) = (each for each in self._parser._actions if isinstance(each, argparse._SubParsersAction))
        for name, parser in commands.choices.items():
            yield f".SS wayside {_text(name)}"
            yield _about(name)
            yield from self._arguments(parser)

    def _arguments(self, parser: argparse.ArgumentParser) -> Iterator[str]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from self._verbs(parser.prog, action)
            elif not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS:
                yield from (".TP", _usage(action), _text(action.help % vars(action) if action.help else ""))

    def _verbs(self, program: str, verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> Iterator[str]:
        helps = {each.dest: each.help or "" for each in verbs._choices_actions}
        for name, parser in verbs.choices.items():
            yield from (".PP", f"\\fB{_text(program)} {_text(name)}\\fP: {_text(helps.get(name, ''))}")
            yield from (".RS", *self._arguments(parser), ".RE")


def _about(command: str) -> str:
    """The module's own words, without the line that names the command, and with its exit statuses."""
    words = cli.module(command).__doc__ or cli.COMMANDS[command]
    return "\n.PP\n".join(_text(" ".join(each.split())) for each in words.split("\n\n")).removesuffix("\n.PP\n")


def _usage(action: argparse.Action) -> str:
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    shown = f"\\fI{_text(' '.join(value) if isinstance(value, tuple) else value)}\\fP"
    if not action.option_strings:
        return shown + ("..." if action.nargs in ("+", "*") else "")
    flags = ", ".join(f"\\fB{_text(each)}\\fP" for each in action.option_strings)
    return flags if action.nargs == 0 else f"{flags} {shown}"


def _site_file(example: str) -> Iterator[str]:
    yield from (".SH NAME", "wayside\\-site.toml \\- the site file of a Wayside gateway", ".SH DESCRIPTION")
    yield _text(
        "A site file says what a gateway reads, keeps and forwards. `wayside check` explains every error in one, and\n"
        "`wayside config schema` prints its JSON Schema for editors. This is one with everything that it can say;\n"
        "it is also in /etc/wayside/site.example.toml."
    )
    yield from (".SH EXAMPLE", *_verbatim(example), ".SH FILES", ".TP", "/var/lib/wayside/site.toml")
    yield _text("The site file of the service.")


def _service(markdown: str) -> Iterator[str]:
    yield from (".SH NAME", "wayside.service \\- a Wayside gateway as a service", ".SH DESCRIPTION")
    blocks = re.split(r"(?ms)^```\w*\n(.*?)^```$", markdown)
    for number, block in enumerate(blocks):
        if number % 2:
            yield from _verbatim(block)
        else:
            yield from _paragraphs(block)


def _paragraphs(markdown: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", markdown.strip()):
        heading = re.fullmatch(r"(#+) (.*)", paragraph)
        if heading and len(heading[1]) > 1:
            yield f".SH {_text(heading[2]).upper()}"
        elif paragraph.startswith(("* ", "- ")):
            for item in re.split(r"(?m)^[*-] ", paragraph)[1:]:
                yield from (".IP \\(bu 2", _text(item.strip()))
        elif paragraph.startswith("|"):
            yield from _verbatim(paragraph)
        elif paragraph and not heading:
            yield from (".PP", _text(paragraph))
