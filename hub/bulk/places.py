"""The sheets of zones, devices and their points, and what they make of a site's document. Pure.

Rows add and change; of an entry that is there already, columns that the sheet does not have stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from adapters.contract.vocabulary import COMMAND_KINDS, FAMILIES
from hub.bulk.cell import as_choice, as_choices, as_line, as_name, as_text
from hub.bulk.table import Column, Fault, Record, Table, TableReading
from hub.domain.place import KEY_LOCATIONS
from hub.sites.document import Document, read_whole
from hub.sites.edit import put_entry

KINDS: Final = {"建筑": "building", "楼层": "floor", "房间": "room", "室外": "outdoor"}
CLASSES: Final = {"重点部位": "key", "敏感部位": "sensitive", "一般部位": "general"}


def _words(names: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {word.casefold(): key for key, pair in names.items() for word in (*pair, key)}


def _both(words: Mapping[str, str]) -> dict[str, str]:
    return {**words, **{key: key for key in words.values()}}


_NAME: Final = Column("name", "名称", "Name", as_line, required=True, width=20)
_NAME_EN: Final = Column("name_en", "英文名称", "English name", as_line, width=20)
ZONE: Final = Table(
    "zones",
    "区域",
    "Zones",
    (
        Column("zone", "区域编号", "Zone", as_name, required=True, note="小写字母、数字、- 或 _，不再改"),
        _NAME,
        _NAME_EN,
        Column("kind", "类型", "Kind", as_choice(_both(KINDS)), required=True, note="、".join(KINDS)),
        Column(
            "class", "部位等级", "Class", as_choice(_both(CLASSES)), default="general", note="、".join(CLASSES)
        ),
        Column("parent", "位于", "Lies in", as_name, note="上级区域的编号；空：最外层"),
        Column(
            "key_location",
            "重点部位类别",
            "Key location",
            as_choice(_words(KEY_LOCATIONS)),
            width=30,
            note="、".join(zh for zh, _ in KEY_LOCATIONS.values()),
        ),
    ),
    key=("zone",),
)
DEVICE: Final = Table(
    "devices",
    "设备",
    "Devices",
    (
        Column("device", "设备编号", "Device", as_name, required=True, note="小写字母、数字、- 或 _，不再改"),
        _NAME,
        _NAME_EN,
        Column(
            "family",
            "类别",
            "Family",
            as_choice(_words(FAMILIES)),
            required=True,
            note="、".join(zh for zh, _ in FAMILIES.values()),
        ),
        Column("zone", "区域编号", "Zone", as_name, required=True),
        Column("edge", "网关", "Gateway", as_name, required=True),
        Column("connection", "连接", "Connection", as_name, required=True),
        Column("profile", "型号配置", "Profile", as_name, required=True, width=24),
        Column("address", "地址", "Address", as_text, note="空：同设备编号"),
        Column(
            "writes",
            "联动指令",
            "Commands",
            as_choices(_words(COMMAND_KINDS)),
            default=(),
            width=30,
            note="、".join(zh for zh, _ in COMMAND_KINDS.values()),
        ),
        Column("notes", "备注", "Notes", as_text, default="", width=30),
    ),
    key=("device",),
)
POINT: Final = Table(
    "points",
    "点位",
    "Points",
    (
        Column("device", "设备编号", "Device", as_name, required=True),
        Column("point", "点位地址", "Point", as_text, required=True, note="如探测器号、门号"),
        Column("name", "名称", "Name", as_line, width=20),
        _NAME_EN,
        Column("zone", "区域编号", "Zone", as_name, note="空：同设备"),
    ),
    key=("device", "point"),
)
PLACES: Final = (ZONE, DEVICE, POINT)
_FIELD: Final = re.compile(r"(zones|devices)\[([^\]]+)\]\.?(\S*?): (.*)", re.DOTALL)


def merge_places(
    readings: Mapping[str, TableReading], document: Document, gateways: Iterable[Mapping[str, Any]]
) -> tuple[Document, list[Fault]]:
    """The document with what the sheets say, and what is wrong with it that no row alone shows."""
    sources: dict[tuple[str, str], tuple[TableReading, Record]] = {}
    for table, section in ((ZONE, "zones"), (DEVICE, "devices")):
        reading = readings.get(table.name)
        known = {entry[table.key[0]]: entry for entry in document.get(section, ())}
        for record in reading.records if reading else ():
            assert reading is not None
            name = record.values[table.key[0]]
            document = put_entry(document, section, _entry(reading, record, known.get(name)))
            sources[section, name] = (reading, record)
    points = readings.get(POINT.name)
    for record in points.records if points else ():
        assert points is not None
        name, point = record.values["device"], record.values["point"]
        device = next((each for each in document["devices"] if each["device"] == name), None)
        if device is None:
            points.fault(record, "device", "is no device of this site, nor of the sheet 设备", name)
            continue
        addresses = device.get("addresses", {})
        old = addresses.get(point) or {}
        made = {
            "zone": record.values["zone"] if "zone" in points.letters else old.get("zone"),
            "name": _name(points, record, old.get("name")),
        }
        document = put_entry(document, "devices", {**device, "addresses": {**addresses, point: made}})
        sources["devices", f"{name}/{point}"] = (points, record)
    _, faults = read_whole(document, gateways)
    return document, [each for line in faults if (each := _place(line, sources)) is not None]


def place_rows(document: Document) -> dict[str, list[dict[str, Any]]]:
    """The document's entries by table, in the machine's words. Parameters stay out: they may be secret."""

    def named(entry: Mapping[str, Any]) -> dict[str, Any]:
        name = entry.get("name") or {}
        return {"name": name.get("zh"), "name_en": name.get("en") if name.get("en") != name.get("zh") else None}

    return {
        ZONE.name: [{**zone, **named(zone)} for zone in document.get("zones", ())],
        DEVICE.name: [
            {**device, **named(device), "writes": tuple(device.get("writes", ()))}
            for device in document.get("devices", ())
        ],
        POINT.name: [
            {"device": device["device"], "point": point, "zone": each.get("zone"), **named(each)}
            for device in document.get("devices", ())
            for point, each in device.get("addresses", {}).items()
        ],
    }


def _entry(reading: TableReading, record: Record, before: Mapping[str, Any] | None) -> dict[str, Any]:
    told = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in record.values.items()
        if (before is None or name in reading.letters) and name not in ("name", "name_en")
    }
    return {**(before or {}), **told, "name": _name(reading, record, (before or {}).get("name"))}


def _name(reading: TableReading, record: Record, before: Mapping[str, str] | None) -> dict[str, str] | None:
    zh = record.values["name"] if "name" in reading.letters else (before or {}).get("zh")
    if zh is None:
        return None
    en = record.values["name_en"]
    if en is None and "name_en" not in reading.letters and before is not None and before["zh"] == zh:
        en = before["en"]
    return {"zh": zh, "en": en or zh}


def _place(line: str, sources: Mapping[tuple[str, str], tuple[TableReading, Record]]) -> Fault | None:
    """A fault of the whole at the cell that it comes from; of what the file does not name, without one."""
    match = _FIELD.match(line)
    if match is None:
        return Fault("", 0, "", "", line)
    section, name, field, message = match.groups()
    point = re.fullmatch(r"addresses\.(.*)\.(?:zone|name)(?:\..*)?", field)
    column = field.split(".")[0]
    source = sources.get((section, f"{name}/{point[1]}")) if point else sources.get((section, name))
    if point:
        column = "zone" if field.endswith("zone") else "name"
    if source is None:
        return Fault("", 0, "", "", line)
    reading, record = source
    reading.fault(record, column, message, record.values.get(column) or "")
    return None
