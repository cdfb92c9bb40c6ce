"""The child process that makes a picture of ours from a stranger's file: `python -m hub.floorplans.rendering`.

Standard input: one line of JSON (`{"page": 1}`), then the file. Standard output: one line of JSON
(`{"kind", "media_type", "width", "height", "pages"}`, or `{"fault"}`), then the picture. It limits itself
before it reads a byte, so that what a decoder does with a hostile file ends with this process. Whatever the
file was, pixels alone come out: no metadata, no script, no second image behind the first.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from typing import TYPE_CHECKING, Any, Final, Literal

from hub.floorplans.fault import Unreadable
from hub.floorplans.vector import MOST_ASPECT, check_svg, fit

if TYPE_CHECKING:
    from PIL import Image

MOST_MEMORY_BYTES: Final = 1 << 30
MOST_PIXELS: Final = 50_000_000
"""In: a sheet A1 scanned at 200 dpi has 31 million."""
LONGEST_PX: Final = 3000
"""Out: 3000 px of a building of 100 m are 3 cm each."""
PNG_BYTES: Final = 1_500_000
"""A drawing stays PNG; what is larger as that, a photo or scan, becomes WebP."""
Kind = Literal["png", "jpeg", "pdf", "svg"]


def sniff(data: bytes) -> Kind:
    """What the file is by its first bytes; its name and what the sender says of it do not count."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "svg"
    raise Unreadable("the file is none of PNG, JPEG, PDF and SVG; export the plan as one of them")


def render(data: bytes, page: int) -> tuple[dict[str, Any], bytes]:
    """The picture and what is to be said of it. Raises Unreadable, and whatever a decoder raises."""
    kind = sniff(data)
    pages = 1
    if kind == "pdf":
        picture, pages = _draw_pdf(data, page)
    elif page != 1:
        raise Unreadable(f"page: {page} of a file that has one page")
    elif kind == "svg":
        picture = _draw_svg(data)
    else:
        picture = _open(data, kind)
    made = _flatten(picture)
    media_type, encoded = _encode(made)
    facts = {"kind": kind, "media_type": media_type, "width": made.width, "height": made.height, "pages": pages}
    return facts, encoded


def _open(data: bytes, kind: Literal["png", "jpeg"]) -> Image.Image:
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    picture: Image.Image = Image.open(io.BytesIO(data), formats=[kind.upper()])
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise Unreadable(
            f"the picture has {width} × {height} pixels, {MOST_PIXELS} together are allowed; shrink it"
        )
    if max(width, height) > MOST_ASPECT * min(width, height):
        raise Unreadable(
            f"the picture measures {width} × {height}; a floor plan is at most {MOST_ASPECT:g} to 1"
        )
    picture.draft("RGB", (LONGEST_PX, LONGEST_PX))
    picture.load()
    return ImageOps.exif_transpose(picture) if kind == "jpeg" else picture


def _draw_pdf(data: bytes, page: int) -> tuple[Image.Image, int]:
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    pages = len(document)
    if not 1 <= page <= pages:
        raise Unreadable(f"page: {page} of a file that has {pages}")
    sheet = document[page - 1]
    width, height = sheet.get_size()
    fit(width, height, LONGEST_PX)
    drawn = sheet.render(scale=LONGEST_PX / max(width, height), may_draw_forms=False).to_pil()
    return drawn, pages


def _draw_svg(data: bytes) -> Image.Image:
    import resvg_py

    checked, _, _ = check_svg(data, LONGEST_PX)
    drawn = resvg_py.svg_to_bytes(svg_string=checked.decode(), background="#ffffff")
    return _open(bytes(drawn), "png")


def _flatten(picture: Image.Image) -> Image.Image:
    """Not larger than we keep, on white, without anything but pixels."""
    from PIL import Image

    if picture.mode not in ("RGB", "RGBA", "L"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if max(picture.size) > LONGEST_PX:
        picture = picture.resize(fit(*picture.size, LONGEST_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    made = Image.new("RGB", picture.size, "white")
    made.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    return made


def _encode(picture: Image.Image) -> tuple[str, bytes]:
    out = io.BytesIO()
    picture.save(out, "PNG")
    if out.tell() <= PNG_BYTES:
        return "image/png", out.getvalue()
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=85, method=2)
    return "image/webp", out.getvalue()


def main() -> int:
    """Limit this process, read, draw, answer."""
    cpu_s = int(sys.argv[1])
    for what, most in (
        (resource.RLIMIT_AS, MOST_MEMORY_BYTES),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    order = json.loads(sys.stdin.buffer.readline())
    try:
        facts, picture = render(sys.stdin.buffer.read(), int(order["page"]))
    except Unreadable as error:
        facts, picture = {"fault": str(error)}, b""
    except MemoryError:
        facts, picture = (
            {"fault": "the file takes more memory than a floor plan may; simplify or shrink it"},
            b"",
        )
    except Exception as error:  # noqa: BLE001 - decoders raise what they like; the process ends here anyway
        facts, picture = {"fault": f"the file cannot be read ({type(error).__name__}); export it again"}, b""
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
