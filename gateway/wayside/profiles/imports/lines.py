"""YAML of others, with the line of everything in it. Needs PyYAML, the extra `import`.

Scalars stay text, so that `0x10` is what was written; tags of the other software (`!secret`) are ignored. Which keys
were looked at is remembered, so that all others can be named.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_MOST_BYTES = 1024 * 1024
_MOST_NODES = 50_000  # of the document with its aliases written out
_OCTAL = re.compile(r"[+-]?0(?=[0_]*[1-7])[0-7_]{1,64}")


class MissingYamlError(Exception):
    """PyYAML is not installed; the text says how to get it."""


class NoYamlError(Exception):
    """The text is not YAML that can be read. line: where, 0 where that is not known."""

    def __init__(self, text: str, line: int = 0):
        super().__init__(text)
        self.line = line


class Text(str):
    """A scalar as it was written. tag: such as "!secret", or empty.

    octal: what was written, of a number that begins with 0. Those who read such files take it as octal (YAML 1.1,
    https://yaml.org/type/int.html; Go's YAML as well), so the text is the decimal number of that.
    """

    line: int
    tag: str
    octal: str


@dataclass
class Map:
    """Of a key that stands there twice the last value counts, as it does for others; `twice` has the lines of all.

    used: the keys that somebody asked for; merged: the lines of the mappings that `<<` took in.
    """

    line: int
    items: dict[str, "Node"] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    twice: dict[str, list[int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    merged: list[int] = field(default_factory=list)

    def get(self, key: str) -> "Node | None":
        self.used.add(key)
        return self.items.get(key)

    def text(self, key: str, default: str = "") -> str:
        """The scalar under `key`; the default where there is none."""
        value = self.get(key)
        return value if isinstance(value, Text) else default

    def maps(self, key: str) -> "list[Map]":
        """The mappings in the list under `key`, or the one mapping that stands there."""
        value = self.get(key)
        found = value.items if isinstance(value, List) else [value]
        return [each for each in found if isinstance(each, Map)]


@dataclass
class List:
    line: int
    items: list["Node"] = field(default_factory=list)


Node = Text | Map | List


def remarks(root: Node | None) -> list[tuple[int, str]]:
    """(line, what to say) of every key that nobody asked for, that stands there twice, or whose number is octal."""
    merged = {line for each in _maps(root) for line in each.merged}
    return list(dict.fromkeys(_remarks(root, merged)))


def _maps(node: Node | None) -> Iterator[Map]:
    if isinstance(node, Map):
        yield node
    if isinstance(node, Map | List):
        for each in node.items.values() if isinstance(node, Map) else node.items:
            yield from _maps(each)


def _remarks(node: Node | None, merged: set[int]) -> Iterator[tuple[int, str]]:
    if isinstance(node, List):
        for each in node.items:
            yield from _remarks(each, merged)
    if not isinstance(node, Map):
        return
    for key, value in node.items.items():
        if key not in node.used:
            if value.line not in merged:
                yield node.lines[key], f"{key}: is not taken over"
            continue
        for line in node.twice.get(key, ()):
            yield line, f"{key}: stands there twice; the last counts"
        if isinstance(value, Text) and value.octal:
            yield value.line, f"{key}: {value.octal} begins with 0 and is octal there: {value} is taken"
        yield from _remarks(value, merged)


def read(text: str) -> Node | None:
    """The document in `text`, None when it is empty; NoYamlError, MissingYamlError."""
    try:
        import yaml
    except ImportError:
        raise MissingYamlError(
            "YAML files need the package PyYAML; install the extra: pip install 'wayside[import]'"
        ) from None
    if len(text) > _MOST_BYTES:
        raise NoYamlError(f"is larger than {_MOST_BYTES} bytes; give a smaller file")
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return None if root is None else _Reader(yaml).node(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise NoYamlError(f"is not YAML: {error.problem or error}", line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, max(0, text.find(chr(error.character)))) + 1
        raise NoYamlError(f"is not YAML: a character {error.character:#06x} cannot stand there", line) from None
    except yaml.YAMLError as error:
        raise NoYamlError(f"is not YAML: {error}") from None
    except RecursionError:
        raise NoYamlError("is nested too deeply") from None


class _Reader:
    def __init__(self, yaml: Any):
        self._yaml = yaml
        self._left = _MOST_NODES

    def node(self, node: Any) -> Node:
        self._left -= 1
        if self._left < 0:
            raise NoYamlError(f"has more than {_MOST_NODES} parts; give a smaller file")
        line = node.start_mark.line + 1
        if isinstance(node, self._yaml.SequenceNode):
            return List(line, [self.node(each) for each in node.value])
        if isinstance(node, self._yaml.MappingNode):
            return self._map(node, line)
        octal = node.value if not node.style and _OCTAL.fullmatch(node.value) else ""
        text = Text(int(octal.replace("_", ""), 8) if octal else node.value)
        text.octal = octal
        text.line = line
        text.tag = node.tag if node.tag.startswith("!") else ""
        return text

    def _map(self, node: Any, line: int) -> Map:
        made = Map(line)
        merged: list[Node] = []
        for key, value in node.value:
            name, read = str(key.value), self.node(value)
            if name == "<<":
                merged += read.items if isinstance(read, List) else [read]
                continue
            at = key.start_mark.line + 1
            if name in made.items:
                made.twice.setdefault(name, [made.lines[name]]).append(at)
            made.items[name], made.lines[name] = read, at
        for each in merged:
            if isinstance(each, Map):
                made.merged += [each.line, *each.merged]
                made.items = each.items | made.items
                made.lines = each.lines | made.lines
        return made
