"""The benchmark's arithmetic: middles, ratios, percentiles, and the table that is printed. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Least, middle and greatest of several rounds."""
    return {
        "min": round(min(values), digits),
        "median": round(statistics.median(values), digits),
        "max": round(max(values), digits),
    }


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> float:
    """The middle of the ratios round by round: what changed on the machine between rounds hits both halves."""
    return round(statistics.median(part / whole for part, whole in zip(parts, wholes, strict=True)), 3)


def percentile_ms(seconds: Sequence[float], percent: float) -> float:
    """A percentile of durations in seconds, as milliseconds (nearest rank: a value that was measured)."""
    ordered = sorted(seconds)
    rank = max(0, -(-len(ordered) * percent // 100) - 1)
    return round(ordered[int(rank)] * 1e3, 2)


def table(figures: Mapping[str, Any]) -> str:
    """The figures, a line each, by their keys in the JSON."""
    lines = []
    for name, value in flatten(figures):
        shown = f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)
        lines.append(f"{name:46} {shown}")
    return "\n".join(lines)


def flatten(figures: Mapping[str, Any], name: str = "") -> list[tuple[str, Any]]:
    """Every figure with its whole name: `ingest.ratio_to_copy`."""
    found: list[tuple[str, Any]] = []
    for key, value in figures.items():
        whole = f"{name}.{key}" if name else key
        found += flatten(value, whole) if isinstance(value, Mapping) else [(whole, value)]
    return found
