"""Wokwi's scenarios (docs.wokwi.com, "Automation Scenarios"): YAML, played on any target.

    name: Push Button Test
    version: 1
    steps:
      - wait-serial: ready
      - set-control: {part-id: btn1, control: pressed, value: 1}
      - delay: 500ms
      - expect-pin: {part-id: pico, pin: GP25, value: 1}

A step is one that is registered under its name (wokwi_steps.py, or anybody's); others are explained. A part of the
diagram is the plant of its name, with _ for -, on a target that is not Wokwi's.
"""

from pathlib import Path
from typing import Any

_ABOUT = {"name", "version", "author", "steps"}


def load(path: Path, error: type[Exception]) -> tuple[dict[str, Any], str, list[int]]:
    """The scenario as TOML would have it, its file, and each step's line. `error` names file, line and reason."""
    try:
        import yaml
    except ImportError:
        raise error(f"{path}: YAML is read by the package pyyaml: pip install pyyaml") from None
    try:
        node = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
        content = yaml.safe_load(path.read_text())
    except OSError as reason:
        raise error(f"{path}: {reason.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as reason:
        raise error(f"{path} is not YAML: {' '.join(str(reason).split())}") from None
    if not isinstance(content, dict) or set(content) - _ABOUT or content.get("version", 1) != 1:
        raise error(f"{path}: a scenario of Wokwi has name, version: 1, author and steps, nothing else")
    steps = content.get("steps")
    if not isinstance(steps, list):
        raise error(f"{path}: steps: a scenario has at least one")
    lines = next(
        ([each.start_mark.line + 1 for each in value.value] for key, value in node.value if key.value == "steps")
    )
    return {"title": str(content.get("name", path.stem)), "step": steps}, str(path), lines
