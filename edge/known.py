"""What the edge remembers across restarts beside its items: conditions told, ids seen, commands taken.

Lives in the spool's file so that it changes in the transaction that stores the item.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

SEEN_PER_DEVICE: Final = 1_024
"""So many of a device's own message ids are remembered, the newest."""
_PRUNE_EVERY: Final = 64
COMMANDS_KEPT: Final = 10_000
"""So many command ids are remembered; older ones have long expired."""


class ConditionKey(NamedTuple):
    """What a condition belongs to."""

    device: str
    address: str
    kind: str


class ConditionState(NamedTuple):
    """What the hub was last told: on or off, and since when (µs, never ahead of the edge's clock)."""

    active: bool
    observed_at: int


class Known:
    """The tables `condition`, `seen`, `command` and `meta`. Conditions are mirrored in memory."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._behind: Known | None = None
        self._conditions: dict[ConditionKey, ConditionState] = {}
        self._seen_since_prune: Counter[str] = Counter()
        self.reload()

    def reload(self) -> None:
        """Rebuild what is mirrored, after a rollback."""
        self._conditions = {
            ConditionKey(device, address, kind): ConditionState(bool(active), observed_at)
            for device, address, kind, active, observed_at in self._db.execute("SELECT * FROM condition")
        }

    def stand_before(self, other: Known) -> None:
        """Take another's place whose disk refuses: its conditions are ours now, its ids are asked for there
        as long as they can be read.
        """
        for key, state in other._conditions.items():
            self.set_condition(key, state)
        self._behind = other

    def take_over(self, theirs: sqlite3.Connection, *but_notes: str) -> None:
        """Know what another knew last, which had stood in our place."""
        self._db.execute("DELETE FROM condition")
        self._db.executemany(
            "INSERT INTO condition VALUES (?, ?, ?, ?, ?)", theirs.execute("SELECT * FROM condition")
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO seen (device, identity) VALUES (?, ?)",
            theirs.execute("SELECT device, identity FROM seen ORDER BY ordinal"),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO command (command, state) VALUES (?, ?)",
            theirs.execute("SELECT command, state FROM command ORDER BY ordinal"),
        )
        for key, value in theirs.execute("SELECT key, value FROM meta").fetchall():
            if key not in but_notes:
                self.write_note(key, value)
        self.reload()

    def condition(self, key: ConditionKey) -> ConditionState | None:
        """What the hub was last told of a condition; None where nothing."""
        return self._conditions.get(key)

    def conditions(self) -> dict[ConditionKey, ConditionState]:
        """All that the hub was last told."""
        return dict(self._conditions)

    def set_condition(self, key: ConditionKey, state: ConditionState) -> None:
        self._db.execute("INSERT OR REPLACE INTO condition VALUES (?, ?, ?, ?, ?)", (*key, *state))
        self._conditions[key] = state

    def active_conditions(self, kind: str) -> list[ConditionKey]:
        """Where a kind of condition is active, as far as the hub was told."""
        return [key for key, state in self._conditions.items() if key.kind == kind and state.active]

    def forget_active(self, device: str, prefix: str) -> None:
        """Forget a device's active conditions whose kind begins so: what still holds is told anew."""
        gone = [
            key
            for key, state in self._conditions.items()
            if state.active and key.device == device and key.kind.startswith(prefix)
        ]
        for key in gone:
            self._db.execute("DELETE FROM condition WHERE device = ? AND address = ? AND kind = ?", key)
            del self._conditions[key]

    def forget_conditions(self, keep_devices: Collection[str] = ()) -> None:
        """Forget the conditions of all devices but these: what comes back is told anew."""
        gone = [key for key in self._conditions if key.device not in keep_devices]
        for key in gone:
            self._db.execute("DELETE FROM condition WHERE device = ? AND address = ? AND kind = ?", key)
            del self._conditions[key]

    def has_seen(self, key: ConditionKey, identity: str) -> bool:
        """Whether a device's own message id was stored before."""
        found = self._db.execute("SELECT 1 FROM seen WHERE identity = ?", (_digest(key, identity),)).fetchone()
        if found is not None or self._behind is None:
            return found is not None
        try:
            return self._behind.has_seen(key, identity)
        except sqlite3.Error:
            return False

    def remember_seen(self, key: ConditionKey, identity: str) -> None:
        """Remember a device's own message id; the oldest of that device give way."""
        self._db.execute(
            "INSERT OR REPLACE INTO seen (device, identity) VALUES (?, ?)", (key.device, _digest(key, identity))
        )
        self._seen_since_prune[key.device] += 1
        if self._seen_since_prune[key.device] >= _PRUNE_EVERY:
            self._seen_since_prune[key.device] = 0
            self._db.execute(
                "DELETE FROM seen WHERE device = ? AND ordinal <= "
                "(SELECT ordinal FROM seen WHERE device = ? ORDER BY ordinal DESC LIMIT 1 OFFSET ?)",
                (key.device, key.device, SEEN_PER_DEVICE),
            )

    def take_command(self, command: str, state: str) -> bool:
        """Note a command's id; False where it was taken before."""
        if self._behind is not None and self._behind.has_taken(command):
            return False
        taken = self._db.execute(
            "INSERT OR IGNORE INTO command (command, state) VALUES (?, ?)", (command, state)
        ).rowcount
        self._db.execute(
            "DELETE FROM command WHERE ordinal <= (SELECT MAX(ordinal) FROM command) - ?", (COMMANDS_KEPT,)
        )
        return taken == 1

    def has_taken(self, command: str) -> bool:
        """Whether a command's id was noted, as far as that can be read."""
        try:
            found = self._db.execute("SELECT 1 FROM command WHERE command = ?", (command,)).fetchone()
        except sqlite3.Error:
            return False
        return found is not None

    def finish_command(self, command: str, state: str) -> bool:
        """Note how a command ended; False where it had ended already."""
        found = self._db.execute(
            "UPDATE command SET state = ? WHERE command = ? AND state = 'accepted'", (state, command)
        )
        return found.rowcount == 1

    def interrupted_commands(self) -> list[str]:
        """Commands that were begun and whose end was never written: the edge stopped in between."""
        rows = self._db.execute("SELECT command FROM command WHERE state = 'accepted' ORDER BY ordinal")
        return [command for (command,) in rows]

    def read_note(self, key: str) -> str | None:
        """A value of `meta`."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is not None or self._behind is None:
            return None if row is None else str(row[0])
        try:
            return self._behind.read_note(key)
        except sqlite3.Error:
            return None

    def write_note(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _digest(key: ConditionKey, identity: str) -> bytes:
    parts = "\x1f".join((*key, identity)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(parts, digest_size=16).digest()
