"""Has a file drawn by a child process, and takes from it no more than a picture may have."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import Final

from hub.floorplans.fault import Unreadable, WorkshopBusy

MOST_FILE_BYTES: Final = 10_000_000
MOST_PICTURE_BYTES: Final = 8_000_000
WALL_S: Final = 15.0
CPU_S: Final = 10
AT_ONCE: Final = 2
"""Files drawn at the same time by one process of the hub: up to 1 GiB each."""
_places: Final = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Picture:
    """What we made of a file: its pixels in PNG or WebP, named by their SHA-256."""

    digest: str
    media_type: str
    width: int
    height: int
    data: bytes
    kind: str
    """What the file was: png, jpeg, pdf, svg."""
    pages: int


def make_picture(data: bytes, page: int = 1, *, cpu_s: int = CPU_S, wall_s: float = WALL_S) -> Picture:
    """Draw a file (of a PDF one page, from 1). Takes seconds at worst: call it outside of any turn. Raises
    Unreadable, WorkshopBusy.
    """
    if len(data) > MOST_FILE_BYTES:
        raise Unreadable(f"the file has {len(data)} bytes, {MOST_FILE_BYTES} are allowed; shrink it")
    if not data:
        raise Unreadable("the file is empty; choose the plan's file")
    if not _places.acquire(blocking=False):
        raise WorkshopBusy("other floor plans are being read; try again in a few seconds")
    try:
        answer = _ask_child(data, page, cpu_s, wall_s)
    finally:
        _places.release()
    head, found, picture = answer.partition(b"\n")
    if not found or len(answer) > MOST_PICTURE_BYTES:
        raise Unreadable(
            "the file takes longer, or becomes larger, than a floor plan may; simplify or shrink it"
        )
    facts = json.loads(head)
    if "fault" in facts:
        raise Unreadable(str(facts["fault"]))
    return Picture(
        hashlib.sha256(picture).hexdigest(),
        facts["media_type"],
        facts["width"],
        facts["height"],
        picture,
        facts["kind"],
        facts["pages"],
    )


def _ask_child(data: bytes, page: int, cpu_s: int, wall_s: float) -> bytes:
    """What the child says; less than a line where it was ended. It is told nothing of our environment."""
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONUTF8": "1",
        "LC_ALL": "C.UTF-8",
    }
    with tempfile.TemporaryFile() as order:
        order.write(json.dumps({"page": page}).encode() + b"\n" + data)
        order.seek(0)
        with subprocess.Popen(
            [sys.executable, "-m", "hub.floorplans.rendering", str(cpu_s)],
            stdin=order,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
        ) as child:
            watch = threading.Timer(wall_s, child.kill)
            watch.start()
            try:
                assert child.stdout is not None
                return child.stdout.read(MOST_PICTURE_BYTES + 1)
            finally:
                watch.cancel()
                child.kill()
