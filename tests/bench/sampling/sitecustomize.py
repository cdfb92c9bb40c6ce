"""Put on a process's path by the benchmark: the hub's worker samples its own stack every 2 ms.

Wall time, by the innermost function of ours; what waits in psycopg below it belongs to whoever asked. The
counts are written to the file that SANFANG_SAMPLES names, each second.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path

EVERY_S = 0.002


def _ours(name: str) -> bool:
    return "/hub/" in name or "/adapters/" in name


def _sample(target: int | None, into: str) -> None:
    counts: Counter[str] = Counter()
    written = time.monotonic()
    while True:
        time.sleep(EVERY_S)
        frame = sys._current_frames().get(target or 0)
        waits = False
        while frame is not None and (
            not _ours(frame.f_code.co_filename) or frame.f_code.co_filename.endswith("store/database.py")
        ):
            waits = (
                waits or "psycopg" in frame.f_code.co_filename or "store/database" in frame.f_code.co_filename
            )
            frame = frame.f_back
        if frame is None:
            continue
        place = frame.f_code.co_filename.rsplit("/", 3)
        name = "/".join(place[-3:]).removesuffix(".py")
        counts[f"{name}:{frame.f_code.co_name}{' (database)' if waits else ''}"] += 1
        if time.monotonic() - written > 1.0:
            written = time.monotonic()
            part = Path(into + ".part")
            part.write_text(json.dumps(counts), encoding="utf-8")
            part.replace(into)


if "SANFANG_SAMPLES" in os.environ:
    words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
    if b"--only" in words and b"worker" in words:
        threading.Thread(
            target=_sample, args=(threading.main_thread().ident, os.environ["SANFANG_SAMPLES"]), daemon=True
        ).start()
