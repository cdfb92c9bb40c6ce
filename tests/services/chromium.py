"""A headless Chromium from the machine's packages, and a font with Chinese characters for it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.services.apt import ServiceUnavailable, install


def find_chromium() -> str | None:
    """The path of the browser, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _has_chinese_font() -> bool:
    fonts = Path("/usr/share/fonts")
    return any(fonts.rglob("wqy-*")) or any(fonts.rglob("NotoSansCJK*"))


def set_up() -> None:
    """Install what is missing; raises ServiceUnavailable where there is no browser and none can be had."""
    if find_chromium() is None:
        install("chromium", "fonts-wqy-microhei")
    elif not _has_chinese_font():
        try:
            install("fonts-wqy-microhei")
        except ServiceUnavailable as reason:
            print(f"  (no font with Chinese characters: {reason}; pictures will show boxes)")
