"""Who may call what, where: every route × every role × inside and outside of his area, over HTTP.

What a route declares (`hub/api/guard.py`) says what is to be expected; a new route is asked by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from psycopg import sql

from hub.api.guard import Declared, declarations
from hub.domain.permission import ROLES, Grant, Role
from hub.store.database import connect
from tests.conftest import RunningPostgres, new_name, run_sql
from tests.raising import raise_alarm
from tests.running_api import SITE, RunningApi, prepare_site, run_api_here
from tests.unit.test_permission import APPLICATION, DESCRIPTION

OWN, FOREIGN, NOWHERE = "demo", "elsewhere", "nowhere"
NONE = "404404"
"""An id that there is not, of whatever it is asked for."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    operation: str
    method: str
    path: str
    declared: Declared

    def at(self, site: str, thing: str = NONE) -> str:
        """Its address at a site, about one thing; a word with few values is given the first of them."""
        return _PLACEHOLDER.sub(
            lambda found: site if found[1] == "site" else self.word(found[1], thing), self.path
        )

    def word(self, name: str, thing: str) -> str:
        parts = DESCRIPTION["paths"][self.path][self.method.lower()].get("parameters", ())
        schema = next((part["schema"] for part in parts if part["name"] == name), {})
        return str(schema["enum"][0]) if "enum" in schema else str(schema.get("const", thing))


def all_routes() -> list[Route]:
    declared = declarations(APPLICATION)
    return [
        Route(operation["operationId"], method.upper(), path, declared[operation["operationId"]][0])
        for path, operations in DESCRIPTION["paths"].items()
        for method, operation in operations.items()
    ]


ROUTES = all_routes()
AT_SITES = [route for route in ROUTES if route.declared.kind == "site"]


@pytest.fixture(scope="module")
def api(
    postgres: RunningPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    name = new_name()
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    run_sql(postgres.dsn(), copy)
    database = postgres.dsn(name)
    prepare_site(database)
    prepare_site(database, {**SITE, "site": FOREIGN, "edges": [], "devices": []})
    with run_api_here(database, tmp_path_factory.mktemp("matrix")) as running:
        running.administrator()
        yield running
    run_sql(postgres.dsn(), sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def ask(client: httpx2.Client, route: Route, site: str, thing: str = NONE) -> tuple[int, str]:
    """Status, and what the body says where it is a refusal; a stream is only begun."""
    json = {} if route.method in ("POST", "PUT", "PATCH") else None
    with client.stream(route.method, route.at(site, thing), json=json) as answer:
        said = ""
        if answer.status_code >= 400 and "json" in answer.headers.get("content-type", ""):
            answer.read()
            said = answer.text
        return answer.status_code, said


def test_the_matrix_has_every_route_of_the_description() -> None:
    assert len(ROUTES) == sum(len(operations) for operations in DESCRIPTION["paths"].values()) > 90
    assert len(AT_SITES) > 60


@pytest.mark.parametrize("role", list(Role))
def test_a_role_at_its_site_and_outside_of_it(api: RunningApi, role: Role) -> None:
    client = api.prove(api.colleague(f"m-{role}", Grant(role, OWN)))
    wrong = []
    for route in AT_SITES:
        status, said = ask(client, route, OWN)
        refused = status == 403 and '"not_allowed"' in said
        if (route.declared.word in ROLES[role]) == refused or status in (401, 500):
            wrong.append(f"{route.operation}: {status} {said[:80]} for {role} at his site")
        if role in (Role.ADMINISTRATOR, Role.BUREAU):
            # Outside of the area: as if there were no such site, whatever the role may do at home.
            outside, absent = ask(client, route, FOREIGN), ask(client, route, NOWHERE)
            if outside[0] != 404 or outside != absent:
                wrong.append(f"{route.operation}: {outside} at a foreign site, {absent} at none")
    for route in ROUTES:
        if route.declared.kind == "somewhere":
            status, said = ask(client, route, OWN)
            refused = status == 403 and '"not_allowed"' in said
            if (route.declared.word in ROLES[role]) == refused or status in (401, 500):
                wrong.append(f"{route.operation}: {status} {said[:80]} for {role} somewhere")
    assert wrong == []


def test_without_a_role_every_site_is_none(api: RunningApi) -> None:
    client = api.colleague("m-nobody")
    for route in AT_SITES:
        assert ask(client, route, OWN) == ask(client, route, NOWHERE), route.operation
        assert ask(client, route, OWN)[0] == 404, route.operation


def test_who_is_not_logged_in_learns_nothing(api: RunningApi) -> None:
    client = api.browser()
    for route in ROUTES:
        if route.declared.kind != "everybody":
            here, nowhere = ask(client, route, OWN), ask(client, route, NOWHERE)
            assert here[0] == 401 and here == nowhere, route.operation


def test_another_sites_things_are_as_things_that_there_are_not(api: RunningApi) -> None:
    """Somebody guesses the number of another school's alarm and asks for it at his own."""
    client = api.prove(api.colleague("m-curious", *(Grant(role, OWN) for role in Role)))
    with connect(api.settings.database, application="test") as connection:
        for _ in range(3):
            number = raise_alarm(connection, device=f"b-{_}", zone=None, site=FOREIGN)
        hidden = connection.execute("SELECT hazard FROM hazard WHERE site = %s", (FOREIGN,)).fetchall()
    things = {str(number), *(str(row[0]) for row in hidden)}
    for route in AT_SITES:
        if len(_PLACEHOLDER.findall(route.path)) > 1 and route.method == "GET":
            absent = ask(client, route, OWN)
            for thing in things:
                there = ask(client, route, OWN, thing)
                assert there == (absent[0], absent[1].replace(NONE, thing)), route.operation
