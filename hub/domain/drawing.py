"""The documentation's drawings of the state machines, generated from their tables.

`python -m hub.domain.drawing docs/architecture.md` writes them between their markers
(`<!-- drawing:alarm -->` … `<!-- /drawing:alarm -->`); a test says when the page is behind the code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from hub.domain.alarm import ALARM_TABLE
from hub.domain.alarm import FIRST_STATE as FIRST_ALARM
from hub.domain.command import COMMAND_TABLE, CommandState
from hub.domain.hazard import FIRST_STATE as FIRST_HAZARD
from hub.domain.hazard import HAZARD_TABLE
from hub.domain.incident import INCIDENT_TABLE, STEP_TABLE, IncidentState, StepState
from hub.domain.machine import Nature

_TABLES: Final[dict[str, tuple[Mapping[tuple[Any, Any, Nature], Any], StrEnum]]] = {
    "alarm": (ALARM_TABLE, FIRST_ALARM),
    "hazard": (HAZARD_TABLE, FIRST_HAZARD),
    "incident": (INCIDENT_TABLE, IncidentState.PROPOSED),
    "step": (STEP_TABLE, StepState.PENDING),
    "command": (COMMAND_TABLE, CommandState.REQUESTED),
}
_BLOCK: Final = re.compile(r"(<!-- drawing:([a-z]+) -->\n).*?(<!-- /drawing:\2 -->)", re.DOTALL)


def draw(name: str) -> str:
    """The Mermaid drawing of one machine: an arrow for each pair of states, labelled with its actions."""
    table, first = _TABLES[name]
    arrows: dict[tuple[str, str], dict[str, set[Nature]]] = {}
    for (state, action, nature), target in table.items():
        arrows.setdefault((str(state), str(target)), {}).setdefault(str(action), set()).add(nature)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for (state, target), actions in arrows.items():
        possible = {nature for at, _, nature in table if str(at) == state}
        label = ", ".join(_label(action, kinds, possible) for action, kinds in actions.items())
        lines.append(f"    {state} --> {target}: {label}")
    leaving = {state for state, _ in arrows}
    lines += [f"    {end} --> [*]" for end in _ends(arrows, leaving)]
    return "\n".join([*lines, "```"])


def embed(page: str) -> str:
    """The page with every drawing between its markers made anew."""
    return _BLOCK.sub(lambda match: f"{match[1]}{draw(match[2])}\n{match[3]}", page)


def _label(action: str, kinds: set[Nature], possible: set[Nature]) -> str:
    if kinds >= possible:
        return action
    return f"{action} ({' / '.join(nature.value.replace('_', ' ') for nature in Nature if nature in kinds)})"


def _ends(arrows: Mapping[tuple[str, str], Any], leaving: set[str]) -> list[str]:
    ends: list[str] = []
    for _, target in arrows:
        if target not in leaving and target not in ends:
            ends.append(target)
    return ends


def main(arguments: list[str]) -> int:
    """Write the drawings into the pages named."""
    for argument in arguments:
        page = Path(argument)
        page.write_text(embed(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0 if arguments else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
