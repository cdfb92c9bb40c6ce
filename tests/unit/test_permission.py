"""The permission table: its page, its grants, and that every route declares what it needs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hub.api.application import make_application
from hub.api.context import Context
from hub.api.guard import declarations
from hub.domain.permission import (
    PERMISSIONS,
    ROLE_NAMES,
    ROLES,
    Access,
    Grant,
    Role,
    embed,
    excess,
)
from hub.settings import HttpSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "access.md"
PLACES = {
    "one": ("hangzhou", "xihu"),
    "two": ("hangzhou", "yuhang"),
    "three": ("hangzhou", "xihu"),
    "far": ("ningbo", "haishu"),
}
SETTINGS = SimpleNamespace(http=HttpSettings())
APPLICATION = make_application(cast(Context, SimpleNamespace(requests=Counter(), settings=SETTINGS)))
DESCRIPTION = APPLICATION.openapi()


def access(*grants: Grant, scope: frozenset[str] | None = None) -> Access:
    covered = {site: area for site, area in PLACES.items() if any(each.covers(site, area) for each in grants)}
    return Access("a-1", grants, covered, scope)


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert embed(page) == page, "run: python -m hub.domain.permission docs/access.md"


def test_the_table_is_whole() -> None:
    assert set(ROLES) == set(ROLE_NAMES) == set(Role)
    used = frozenset[str]().union(*ROLES.values())
    assert used == set(PERMISSIONS)


def test_a_bureau_has_nothing_of_persons_and_changes_nothing() -> None:
    nouns = {name.split(".")[0] for name in ROLES[Role.BUREAU]}
    assert not nouns & {"person", "account", "journal", "roster", "phone", "token", "bulk"}
    assert {name.split(".")[1] for name in ROLES[Role.BUREAU]} <= {"read", "export"}


def test_every_operation_declares_one_permission() -> None:
    declared = declarations(APPLICATION)
    described = {
        operation["operationId"]: path
        for path, operations in DESCRIPTION["paths"].items()
        for operation in operations.values()
    }
    assert set(described) == set(declared)
    wrong = []
    for operation, path in described.items():
        found = declared[operation]
        if len(found) != 1:
            wrong.append(f"{operation}: declare one thing, as hub/api/guard.py says; found {found}")
        elif (found[0].kind == "site") != ("{site}" in path):
            wrong.append(f"{operation}: may() is for a path with {{site}}, may_somewhere() for others")
    assert wrong == []


def test_operations_have_names_of_their_own() -> None:
    paths = DESCRIPTION["paths"].values()
    names = Counter(operation["operationId"] for operations in paths for operation in operations.values())
    assert [name for name, count in names.items() if count > 1] == []


def test_a_grant_reaches_as_far_as_its_area() -> None:
    assert access(Grant(Role.BUREAU, area=("hangzhou",))).sites == {"one", "two", "three"}
    assert access(Grant(Role.BUREAU, area=("hangzhou", "xihu"))).sites == {"one", "three"}
    assert access(Grant(Role.OPERATOR, site="far")).sites == {"far"}
    assert access(Grant(Role.ADMINISTRATOR)).sites == set(PLACES)
    assert access().sites == set()


def test_a_role_counts_only_where_it_is_granted() -> None:
    both = access(Grant(Role.OPERATOR, site="one"), Grant(Role.BUREAU, area=("hangzhou",)))
    assert both.may("alarm.acknowledge", "one")
    assert not both.may("alarm.acknowledge", "two")
    assert both.may("alarm.read", "two")
    assert not both.may("alarm.read", "far")
    assert not both.may("alarm.read", "nowhere")
    assert both.sites_where("alarm.acknowledge") == {"one"}
    with pytest.raises(KeyError):
        both.may("alarm.akcnowledge", "one")


def test_a_scope_narrows_and_never_widens() -> None:
    token = access(Grant(Role.BUREAU), scope=frozenset({"alarm.read", "alarm.acknowledge"}))
    assert token.may("alarm.read", "one")
    assert not token.may("alarm.acknowledge", "one")
    assert not token.may("hazard.read", "one")
    assert token.permissions("one") == {"alarm.read"}
    assert not token.may_somewhere("alarm.acknowledge")


@pytest.mark.parametrize(
    ("wanted", "held", "may_give"),
    [
        (Grant(Role.OPERATOR, site="one"), Grant(Role.ADMINISTRATOR), True),
        (Grant(Role.OPERATOR, site="one"), Grant(Role.ADMINISTRATOR, area=("hangzhou",)), True),
        (Grant(Role.OPERATOR, site="one"), Grant(Role.ADMINISTRATOR, area=("ningbo",)), False),
        (Grant(Role.OPERATOR, site="one"), Grant(Role.ADMINISTRATOR, site="two"), False),
        (Grant(Role.OPERATOR), Grant(Role.ADMINISTRATOR, area=("hangzhou",)), False),
        (Grant(Role.OPERATOR), Grant(Role.ADMINISTRATOR, site="one"), False),
        (Grant(Role.BUREAU, area=("hangzhou",)), Grant(Role.ADMINISTRATOR, area=("hangzhou", "xihu")), False),
        (Grant(Role.BUREAU, area=("hangzhou", "xihu")), Grant(Role.ADMINISTRATOR, area=("hangzhou",)), True),
        (Grant(Role.ADMINISTRATOR, site="one"), Grant(Role.PRINCIPAL, site="one"), False),
        (Grant(Role.OPERATOR, site="one"), Grant(Role.SAFETY_OFFICER, site="one"), True),
    ],
)
def test_nobody_gives_more_than_he_has(wanted: Grant, held: Grant, may_give: bool) -> None:
    area = PLACES[wanted.site] if wanted.site else None
    assert (excess(wanted, [held], area) == frozenset()) is may_give
