"""An SVG that somebody sent: checked through expat and written anew, before anything draws it. Pure.

What could reach out of the file or run is refused by name; what is merely not SVG (an editor's own notes) is
left out. The root is given the size in pixels at which it will be drawn.
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.etree import ElementTree
from xml.parsers import expat

from hub.floorplans.fault import Unreadable

SVG: Final = "http://www.w3.org/2000/svg"
XLINK: Final = "http://www.w3.org/1999/xlink"
MOST_ELEMENTS: Final = 200_000
MOST_DEPTH: Final = 100
MOST_ASPECT: Final = 20.0
"""Longest side by shortest: a strip is no floor plan, and would be a line after scaling."""
REFUSED: Final = frozenset(
    {"script", "foreignobject", "iframe", "object", "embed", "audio", "video", "handler"}
)
_INLINE: Final = re.compile(r"data:image/(?:png|jpeg|jpg);base64,", re.IGNORECASE)
_REACHING: Final = re.compile(r"@import|url\(\s*['\"]?\s*(?!#|['\"#])", re.IGNORECASE)
_LENGTH: Final = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(px|pt|pc|mm|cm|in|em|ex)?\s*")
_NUMBERS: Final = re.compile(r"[\s,]+")


class _Reader:
    """Builds the tree of what is kept; raises Unreadable from within expat."""

    def __init__(self) -> None:
        self.builder = ElementTree.TreeBuilder()
        self.elements = 0
        self.depth = 0
        self.left_out = 0
        """Depth below an element that is left out with all that is in it; 0: not in one."""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        self.elements += 1
        self.depth += 1
        if self.elements > MOST_ELEMENTS or self.depth > MOST_DEPTH:
            raise Unreadable(
                f"SVG: more than {MOST_ELEMENTS} elements, or nested deeper than {MOST_DEPTH}; simplify it"
            )
        if local.lower() in REFUSED:
            raise Unreadable(f"SVG: <{local}> may not be in it; save the drawing as plain SVG")
        if self.depth == 1 and (space, local) != (SVG, "svg"):
            raise Unreadable(
                f"SVG: begins with <{local}>, not with <svg> of its namespace; send PNG, JPEG, PDF or SVG"
            )
        kept = {key: self.attribute(local, key, value) for key, value in attributes.items()}
        if self.left_out or space != SVG:
            self.left_out += 1
            return
        named = {_qualified(key): value for key, value in kept.items() if _is_ours(key)}
        self.builder.start(f"{{{SVG}}}{local}", named)

    def attribute(self, element: str, key: str, value: str) -> str:
        local = key.rpartition(" ")[2].lower()
        if local.startswith("on"):
            raise Unreadable(f"SVG: <{element} {local}=…> would run a script; save the drawing as plain SVG")
        if local in ("href", "src") and not value.startswith("#") and not _INLINE.match(value):
            raise Unreadable(
                f"SVG: <{element}> refers to {value[:60]!r}; embed it as PNG or JPEG, or take it out"
            )
        if _REACHING.search(value) and not _INLINE.match(value):
            raise Unreadable(
                f"SVG: <{element} {local}=…> refers to another file; only #names may be referred to"
            )
        return value

    def end(self, name: str) -> None:
        self.depth -= 1
        if self.left_out:
            self.left_out -= 1
            return
        space, _, local = name.rpartition(" ")
        self.builder.end(f"{{{space}}}{local}")

    def text(self, data: str) -> None:
        if not self.left_out:
            self.builder.data(data)

    def doctype(self, _name: str, _system: str | None, _public: str | None, has_subset: int) -> None:
        if has_subset:
            raise Unreadable("SVG: declares entities of its own (DTD); save the drawing as plain SVG")


def check_svg(data: bytes, longest_px: int) -> tuple[bytes, int, int]:
    """The drawing written anew, with its width and height in pixels. Raises Unreadable."""
    reader = _Reader()
    parser: Any = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.begin, reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Unreadable(
            f"SVG: line {error.lineno}: {expat.ErrorString(error.code)}; export it again"
        ) from None
    root = reader.builder.close()
    for style in root.iter(f"{{{SVG}}}style"):
        if _REACHING.search("".join(style.itertext())):
            raise Unreadable("SVG: its <style> refers to another file; save the drawing as plain SVG")
    box = _box(root)
    width, height = fit(box[2], box[3], longest_px)
    root.set("viewBox", " ".join(f"{each:g}" if each == int(each) else repr(each) for each in box))
    root.set("width", str(width))
    root.set("height", str(height))
    root.attrib.pop("style", None)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="utf-8"), width, height


def fit(width: float, height: float, longest_px: int) -> tuple[int, int]:
    """Width and height in pixels with the longest side as said. Raises Unreadable where one is none."""
    if not (0 < width < 1e9 and 0 < height < 1e9) or max(width, height) / min(width, height) > MOST_ASPECT:
        raise Unreadable(
            f"the page measures {width:g} × {height:g}; a floor plan is at most {MOST_ASPECT:g} to 1"
        )
    scale = longest_px / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _box(root: ElementTree.Element) -> tuple[float, float, float, float]:
    """What of the drawing's plane is shown: x, y, width, height."""
    try:
        parts = [float(each) for each in _NUMBERS.split(root.get("viewBox", "").strip()) if each]
    except ValueError:
        parts = []
    if len(parts) == 4:
        return parts[0], parts[1], parts[2], parts[3]
    sides = [_LENGTH.fullmatch(root.get(side, "")) for side in ("width", "height")]
    if sides[0] is None or sides[1] is None:
        raise Unreadable("SVG: says neither viewBox nor width and height; export it with a page size")
    return 0.0, 0.0, float(sides[0][1]), float(sides[1][1])


def _is_ours(key: str) -> bool:
    return " " not in key or key.startswith(f"{XLINK} ")


def _qualified(key: str) -> str:
    space, _, local = key.rpartition(" ")
    return f"{{{space}}}{local}" if space else local
