"""The account of `make chaos` sees what goes wrong with a lane."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.contract.vocabulary import Lane
from tests.chaos.account import Account, check_lanes
from tests.chaos.school import EDGES

EDGE = EDGES[0]
Run = tuple[int, int]
"""First item, how many."""


class Answers:
    """A store that answers what is asked of it by the table asked."""

    def __init__(self, runs: list[Run], stored: list[int], cursor: int) -> None:
        alarm = int(Lane.ALARM)
        self._rows: dict[str, list[Any]] = {
            "history": [
                (position, {"runs": [[EDGE, 7, alarm, first, many]]})
                for position, (first, many) in enumerate(runs)
            ],
            "events": [(EDGE, 7, sequence) for sequence in stored],
            "cursor": [(EDGE, 7, cursor)],
        }

    def execute(self, query: str, parameters: object = ()) -> Answers:
        self._asked = self._rows[query.split(" FROM ")[1].split()[0]]
        return self

    def fetchall(self) -> list[Any]:
        return self._asked

    def __iter__(self) -> Any:
        return iter(self._asked)


@pytest.mark.parametrize(
    ("runs", "stored", "cursor", "finding"),
    [
        ([(1, 2), (3, 2)], [1, 2, 3, 4], 4, None),
        ([(1, 2), (4, 1)], [1, 2, 4], 4, None),  # item 3 was a result: neither stored nor fed
        ([(1, 2), (2, 2)], [1, 2, 3], 3, "fed again, or behind what follows it: 1,"),
        ([(3, 2), (1, 2)], [1, 2, 3, 4], 4, "fed again, or behind what follows it: 1,"),
        ([(1, 2), (4, 1)], [1, 2, 3, 4], 4, "stored and never fed to the rules: 1,"),
        ([], [1], 1, "stored and never fed to the rules: 1,"),
        ([(1, 4)], [1, 2, 3, 4], 3, "fed beyond the cursor: 1,"),
    ],
    ids=["well", "a result", "repeat", "misorder", "missing", "nothing fed", "beyond the cursor"],
)
def test_the_account_of_a_lane(runs: list[Run], stored: list[int], cursor: int, finding: str | None) -> None:
    account = Account()
    check_lanes(account, Answers(runs, stored, cursor))
    if finding is None:
        assert account.findings == []
    else:
        assert any(each.startswith(finding) for each in account.findings), account.findings
