"""Files that somebody sends as floor plans: what is taken becomes a picture of ours, what is hostile is refused
with one sentence, and never costs more than a child process.
"""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from hub.floorplans import workshop
from hub.floorplans.fault import Unreadable, WorkshopBusy
from hub.floorplans.rendering import LONGEST_PX
from hub.floorplans.workshop import make_picture

SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SVG = f'<svg {SPACES} viewBox="0 0 40 20">{{}}</svg>'
ROOM = '<rect width="40" height="20" fill="#f00"/>'


def svg(body: str, before: str = "") -> bytes:
    return (before + SVG.format(body)).encode()


def picture(form: str, size: tuple[int, int] = (60, 40), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, form, **options)
    return out.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of few bytes that unfolds to a plane of that size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000)) + chunk(b"IEND", b"")


NESTED = "".join(
    f'<g id="g{n}">' + f'<use href="#g{n - 1}"/>' * 10 + "</g>" if n else '<g id="g0"><path d="M0 0h9v9z"/></g>'
    for n in range(12)
)
LAUGHS = '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
NOTE = PngImagePlugin.PngInfo()
NOTE.add_text("Comment", "王老师 13800000000")

GOOD = {
    "png": (picture("PNG", pnginfo=NOTE), (60, 40)),
    "jpeg": (picture("JPEG"), (60, 40)),
    "large jpeg": (picture("JPEG", (6000, 4000)), (3000, 2000)),
    "pdf": (picture("PDF"), (3000, 2000)),
    "svg": (svg(ROOM), (3000, 1500)),
    "svg of an editor": (
        svg(ROOM + '<x:note xmlns:x="urn:x"><x:y/></x:note>', '\ufeff<?xml version="1.0"?><!DOCTYPE svg>'),
        (3000, 1500),
    ),
}
BAD = {
    "empty": (b"", "empty"),
    "text": (b"hello", "none of PNG"),
    "gif": (picture("GIF"), "none of PNG"),
    "page of a picture": (picture("PNG"), "page: 2"),
    "bomb png": (png_claiming(60_000, 60_000), "pixels|cannot be read"),
    "long strip": (png_claiming(400_000, 10), "at most 20"),
    "truncated png": (picture("PNG", (600, 600))[:200], "cannot be read"),
    "truncated jpeg": (picture("JPEG", (600, 600))[:700], "cannot be read"),
    "pdf of garbage": (b"%PDF-1.7\n" + bytes(range(256)) * 20, "cannot be read"),
    "html": (b"<html><body/></html>", "begins with <html>"),
    "broken svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><g>", "line 1"),
    "svg without size": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "viewBox"),
    "laughs": (svg("<text>&b;</text>", LAUGHS), "DTD"),
    "file entity": (svg("<text>&x;</text>", '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "DTD"),
    "script": (svg("<script>alert(1)</script>"), "<script>"),
    "script in another namespace": (svg('<h:script xmlns:h="http://www.w3.org/1999/xhtml"/>'), "<script>"),
    "foreign": (svg("<foreignObject/>"), "foreignObject"),
    "handler": (svg('<rect onclick="x()"/>'), "onclick"),
    "link": (svg('<a xlink:href="https://example.org/"/>'), "refers to"),
    "file": (svg('<image href="/etc/passwd" width="1" height="1"/>'), "refers to"),
    "svg in svg": (svg('<image href="data:image/svg+xml;base64,AAAA"/>'), "refers to"),
    "style": (svg("<style>@import 'http://example.org/x.css';</style>"), "<style>"),
    "fill from elsewhere": (svg('<rect fill="url(http://example.org/#a)"/>'), "another file"),
    "nested use": (svg(NESTED + '<use href="#g11"/>'), "cannot be read|simplify"),
    "deep": (svg("<g>" * 200 + "</g>" * 200), "nested deeper"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_plan_becomes_a_picture_of_pixels_alone(name: str) -> None:
    data, size = GOOD[name]
    made = make_picture(data)
    assert (made.width, made.height) == size and max(size) <= LONGEST_PX
    with Image.open(io.BytesIO(made.data)) as seen:
        assert seen.size == size and seen.get_format_mimetype() == made.media_type
        red = seen.convert("RGB").getpixel((size[0] // 2, size[1] // 2))
        assert isinstance(red, tuple) and red[0] > 240 and max(red[1:]) < 20
        assert "Comment" not in seen.info


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_file_is_refused_with_a_sentence(name: str) -> None:
    data, said = BAD[name]
    with pytest.raises(Unreadable, match=said):
        make_picture(data, 2 if name.startswith("page") else 1, cpu_s=2)


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreadable, match="takes longer"):
        make_picture(picture("PNG"), wall_s=0.01)
    taken = workshop.AT_ONCE
    for _ in range(taken):
        assert workshop._places.acquire(blocking=False)
    try:
        with pytest.raises(WorkshopBusy):
            make_picture(picture("PNG"))
    finally:
        for _ in range(taken):
            workshop._places.release()
