"""Which devices a topic speaks for. Looking one up costs one dictionary access per template shape,
not one comparison per device.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from adapters.profile.mqtt import PLACEHOLDER

_T = TypeVar("_T")


def fill_address(template: str, address: str) -> str:
    """A topic template with the device's address put in."""
    return template.replace("{address}", address)


def filter_of(template: str, address: str) -> str:
    """The MQTT filter that a template subscribes to: captured levels become `+`."""
    return PLACEHOLDER.sub("+", fill_address(template, address))


class TopicTable(Generic[_T]):
    """Templates by topic; several entries may share a topic."""

    def __init__(self) -> None:
        self._shapes: dict[
            tuple[tuple[int, str], ...], dict[tuple[str, ...], list[tuple[tuple[str, ...], _T]]]
        ] = {}
        self._filters: dict[str, None] = {}

    def add(self, template: str, address: str, entry: _T) -> None:
        """Let `entry` answer for the topics of a template, for one device."""
        levels = fill_address(template, address).split("/")
        found = [PLACEHOLDER.fullmatch(level) for level in levels]
        captured = tuple((n, name[1]) for n, name in enumerate(found) if name)
        shape = ((len(levels), ""), *captured)
        fixed = tuple(level for level, name in zip(levels, found, strict=True) if not name)
        names = tuple(name for _, name in captured)
        self._shapes.setdefault(shape, {}).setdefault(fixed, []).append((names, entry))
        self._filters[filter_of(template, address)] = None

    @property
    def filters(self) -> list[str]:
        """What to subscribe to, each once."""
        return list(self._filters)

    def match(self, topic: str) -> list[tuple[dict[str, str], _T]]:
        """The entries that a topic speaks for, with the parts that their templates capture."""
        levels = topic.split("/")
        matches = []
        for (size, *captured), entries in self._shapes.items():
            if size[0] != len(levels):
                continue
            places = {n for n, _ in captured}
            fixed = tuple(levels) if not places else tuple(x for n, x in enumerate(levels) if n not in places)
            for names, entry in entries.get(fixed, ()):
                values = (levels[n] for n, _ in captured)
                matches.append((dict(zip(names, values, strict=True)), entry))
        return matches
