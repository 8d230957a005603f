"""What the parts say as Prometheus metrics (text exposition format 0.0.4). The names are stable: docs/service.md.

Imports `about` only.
"""

from collections.abc import Iterable, Iterator

from wayside.parts.about import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(families: Iterable[Family]) -> str:
    return "".join(_lines(families))


def _lines(families: Iterable[Family]) -> Iterator[str]:
    for family in families:
        yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
        for labels, value in family.samples:
            if value is not None:
                inner = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
                yield f"{family.name}{{{inner}}} {value}\n" if inner else f"{family.name} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
