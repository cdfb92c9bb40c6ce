"""The console's names of kinds and commands are the vocabulary's."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.contract.vocabulary import COMMAND_KINDS, KINDS

SOURCE = Path(__file__).resolve().parents[2] / "hub" / "console" / "src" / "words" / "kinds.ts"
LINE = re.compile(r'^  "(?P<name>[^"]+)": \{ zh: "(?P<zh>[^"]*)", en: "(?P<en>[^"]*)" \},$', re.MULTILINE)


def test_console_knows_every_kind_and_command_by_its_name() -> None:
    kinds, commands = SOURCE.read_text(encoding="utf-8").split("export const commandNames")
    assert {m["name"]: (m["zh"], m["en"]) for m in LINE.finditer(kinds)} == {
        kind.name: (kind.zh, kind.en) for kind in KINDS.values()
    }
    assert {m["name"]: (m["zh"], m["en"]) for m in LINE.finditer(commands)} == COMMAND_KINDS
