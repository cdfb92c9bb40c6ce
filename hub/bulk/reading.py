"""A file that somebody sent, read by a program of its own: what is wrong with it cannot harm the hub's.

The child has bounded memory and time and a low priority; the API's alarms never wait for a workbook.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final, Literal

import msgspec
import yaml

from hub.bulk.workbook import MAX_BYTES, MAX_CELL, MAX_ROWS, Sheet, Value, WorkbookRefused, read_workbook
from hub.family import PARENT, die_with_parent

Form = Literal["xlsx", "yaml"]
LONGEST_S: Final = 60.0
_MEMORY: Final = 2 << 30
_REFUSED: Final = 3
_NICE: Final = 10
_DEEPEST: Final = 4
"""The file, a list of rows, a row, a list in a cell."""
_NOTHING: Final = ("", "~", "null")


def read_file(data: bytes, form: Form) -> list[Sheet]:
    """The sheets of a file. Raises WorkbookRefused. Takes seconds for the largest; not for an event loop."""
    if len(data) > MAX_BYTES:
        raise WorkbookRefused(f"the file has {len(data)} bytes, {MAX_BYTES} at most; split it into several")
    try:
        child = subprocess.run(
            [sys.executable, "-m", "hub.bulk.reading", form],
            input=data,
            capture_output=True,
            timeout=LONGEST_S,
            check=False,
            env={**os.environ, PARENT: str(os.getpid())},
        )
    except subprocess.TimeoutExpired:
        raise WorkbookRefused(f"the file took more than {LONGEST_S:.0f} s to read; split it") from None
    if child.returncode == _REFUSED:
        raise WorkbookRefused(child.stderr.decode(errors="replace").strip())
    if child.returncode != 0:
        raise WorkbookRefused("the file cannot be read within bounded memory; split it, or save it anew")
    told = msgspec.json.decode(child.stdout)
    return [
        Sheet(
            each["name"],
            [[_unpack(cell) for cell in row] for row in each["rows"]],
            frozenset((row, column) for row, column in each["formulas"]),
        )
        for each in told
    ]


def read_yaml(data: bytes) -> list[Sheet]:
    """The sheets of a YAML file: lists of rows by the sheets' names. Every value is text, as in a sheet."""
    try:
        text = data.decode("utf-8-sig")
        _check_events(text)
        document = yaml.load(text, Loader=yaml.CBaseLoader)
    except UnicodeDecodeError as error:
        raise WorkbookRefused(f"the file is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise WorkbookRefused(f"the file is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise WorkbookRefused(
            "the file must hold lists by name, as `people:` and under it one `- person: …` a row"
        )
    return [_sheet(str(name), rows) for name, rows in document.items()]


def _check_events(text: str) -> None:
    """Refuse what a few bytes can blow up: an alias stands for a gigabyte, a deep nest takes minutes."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise WorkbookRefused("the file uses YAML's aliases (*name); write the values out")
        if depth > _DEEPEST:
            raise WorkbookRefused("the file nests its values too deep; a row is columns and values, or lists")


def _sheet(name: str, rows: object) -> Sheet:
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        raise WorkbookRefused(f"{name}: must be a list of at most {MAX_ROWS} rows, each `- column: value`")
    header: dict[str, None] = {}
    for number, row in enumerate(rows, start=2):
        if not isinstance(row, Mapping):
            raise WorkbookRefused(f"{name}, row {number}: must be columns and values, as `person: zhang`")
        header.update(dict.fromkeys(str(key) for key in row))
    return Sheet(name, [list(header), *[[_cell(name, row.get(key)) for key in header] for row in rows]])


def _cell(name: str, value: object) -> Value:
    if isinstance(value, list):
        value = ", ".join(str(each) for each in value)
    if isinstance(value, Mapping):
        raise WorkbookRefused(f"{name}: a value is a text or a list, not `{'{'}…{'}'}`")
    if value is None or value in _NOTHING:
        return None
    return str(value)[: MAX_CELL + 1]


def _pack(cell: Value) -> Any:
    if isinstance(cell, datetime):
        return {"datetime": cell.isoformat()}
    if isinstance(cell, date):
        return {"date": cell.isoformat()}
    if isinstance(cell, time):
        return {"time": cell.isoformat()}
    return cell


def _unpack(cell: Any) -> Value:
    if not isinstance(cell, dict):
        return cell  # type: ignore[no-any-return]
    ((kind, text),) = cell.items()
    kinds = {"datetime": datetime, "date": date, "time": time}
    return kinds[kind].fromisoformat(text)  # type: ignore[no-any-return, attr-defined]


def main(form: str) -> int:
    """Read standard input, write the sheets as JSON."""
    die_with_parent()
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(LONGEST_S), int(LONGEST_S)))
    data = sys.stdin.buffer.read()
    try:
        sheets = read_workbook(data) if form == "xlsx" else read_yaml(data)
    except WorkbookRefused as refusal:
        print(refusal, file=sys.stderr)
        return _REFUSED
    told = [
        {
            "name": sheet.name,
            "rows": [[_pack(cell) for cell in row] for row in sheet.rows],
            "formulas": sorted(sheet.formulas),
        }
        for sheet in sheets
    ]
    sys.stdout.buffer.write(msgspec.json.encode(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
