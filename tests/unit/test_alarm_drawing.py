"""The drawings in the documentation are the tables in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.domain import drawing
from hub.domain.alarm import ALARM_TABLE
from hub.domain.machine import Nature

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert drawing.embed(page) == page, "run: python -m hub.domain.drawing docs/architecture.md"


@pytest.mark.parametrize("name", ["alarm", "hazard", "incident", "step", "command"])
def test_every_machine_is_drawn_on_the_page(name: str) -> None:
    assert drawing.draw(name) in PAGE.read_text(encoding="utf-8")


def test_every_pair_of_the_table_is_in_the_drawing() -> None:
    arrows = set(re.findall(r"^    (\w+) --> (\w+): (.+)$", drawing.draw("alarm"), re.MULTILINE))
    for (state, action, nature), target in ALARM_TABLE.items():
        labels = [label for here, there, label in arrows if (here, there) == (state, target)]
        assert len(labels) == 1
        named = re.search(rf"\b{action}\b(?: \(([^)]*)\))?", labels[0])
        assert named is not None
        if named[1] is not None:
            assert nature.value.replace("_", " ") in named[1].split(" / ")
    assert ";" not in drawing.draw("alarm"), "Mermaid reads a semicolon as the end of a statement"


def test_writing_mends_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- drawing:step -->\nold\n<!-- /drawing:step -->\nb\n", encoding="utf-8")
    assert drawing.main([str(page)]) == 0
    assert page.read_text(encoding="utf-8").startswith("a\n<!-- drawing:step -->\n```mermaid\n")
    assert drawing.main([]) == 2
    assert Nature.PLAIN.value not in page.read_text(encoding="utf-8")
