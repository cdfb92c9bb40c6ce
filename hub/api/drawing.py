"""A QR code as a drawing: SVG's own path, so that a page draws it without a picture from elsewhere."""

from __future__ import annotations

import segno

from hub.api.views import View


class QrView(View):
    """A square of `size` modules, the quiet zone among them; black on white it is
    `<svg viewBox="0 0 size size"><path d="path"/></svg>`.
    """

    size: int
    path: str


def draw_qr(text: str) -> QrView:
    """The QR code of a text."""
    border = 4
    rows = [bytes(row) for row in segno.make(text, error="m", micro=False).matrix]
    path = "".join(
        f"M{x + border} {y + border}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, dark in enumerate(row)
        if dark
    )
    return QrView(size=len(rows) + 2 * border, path=path)
