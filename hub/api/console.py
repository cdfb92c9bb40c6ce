"""The console's files at `/`; every address that is a page of the app answers the app."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

DIST: Final = Path(__file__).resolve().parents[1] / "console" / "dist"
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_NOT_BUILT: Final = """<!doctype html>
<html lang="zh-CN"><meta charset="utf-8"><title>Sanfang</title>
<h1>控制台尚未构建 · The console is not built</h1>
<p>在代码目录运行 <code>make console</code>,然后刷新本页。</p>
<p>Run <code>make console</code> in the checkout, then reload this page.</p>
</html>
"""


def make_console(dist: Path = DIST) -> APIRouter:
    """The routes of the console, built into `dist`. Include them last: they take every other address."""
    router = APIRouter(include_in_schema=False)

    @router.get("/{path:path}")
    def get_file(path: str) -> Response:
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404, "there is no such route")
        file = find_file(dist, path)
        if file is None:
            if PurePosixPath(path).suffix:
                raise HTTPException(404, "there is no such file")
            file = find_file(dist, "index.html")
        if file is None:
            return HTMLResponse(_NOT_BUILT, status_code=503)
        named_by_content = file.parent.name == "assets"
        return FileResponse(file, headers={"Cache-Control": _IMMUTABLE if named_by_content else "no-cache"})

    return router


def find_file(dist: Path, path: str) -> Path | None:
    """The file that an address means; None for what is none, or lies outside."""
    root = dist.resolve()
    file = (root / path).resolve()
    return file if file.is_relative_to(root) and file.is_file() else None
