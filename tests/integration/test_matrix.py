"""Who may call what, where: every route × every role × inside and outside of his area, over HTTP.

What a route declares (`hub/api/guard.py`) says what is to be expected; a new route is asked by itself.
"""

from __future__ import annotations

import json
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


MARK = "机密SECRET"
HIDDEN = "hidden"


def hide_things(api: RunningApi) -> dict[str, str]:
    """A school of another area that says `MARK` wherever it can; the ids of what it has, by what they name."""
    document = json.loads(json.dumps(SITE, ensure_ascii=False).replace('"zh": "', f'"zh": "{MARK}'))
    document |= {
        "site": HIDDEN,
        "persons": [{"person": "hidden-person", "name": MARK}],
        "posts": [*document["posts"], {"post": "hidden-post", "name": {"zh": MARK}}],
        "zones": [*document["zones"], {"zone": "hidden-zone", "name": {"zh": MARK}, "kind": "room"}],
        "shifts": [],
        "edges": [{**document["edges"][0], "edge": "hidden-edge"}],
        "devices": [
            {**device, "device": f"hidden-{device['device']}", "edge": "hidden-edge"}
            for device in document["devices"]
        ],
    }
    prepare_site(api.settings.database, document)
    head = api.prove(
        api.colleague("m-hidden", *(Grant(role, HIDDEN) for role in (Role.ADMINISTRATOR, Role.GUARD)))
    )
    token = head.post(
        "/api/v1/tokens", json={"name": MARK, "permissions": ["alarm.read"], "sites": [HIDDEN], "days": 3}
    )
    phone = head.post(f"/api/v1/sites/{HIDDEN}/phones", json={"account": "a-m-hidden", "name": MARK})
    with connect(api.settings.database, application="test") as connection:
        numbers = [
            str(raise_alarm(connection, device=f"hidden-{each}", zone="hidden-zone", site=HIDDEN))
            for each in ("button", "door", MARK, "x", "y")
        ]
        connection.execute("INSERT INTO series VALUES (%s, 1, 'hidden-door', '', 'hidden-point')", (HIDDEN,))
        connection.execute(
            "INSERT INTO readings (site, series, observed_at, recorded_at, value, quality)"
            " SELECT %s, 1, now() - n * interval '1 minute', now(), 7777.25, 0 FROM generate_series(1, 5) n",
            (HIDDEN,),
        )
    assert (token.status_code, phone.status_code) == (201, 201), (token.text, phone.text)
    return {
        "alarm": numbers[-1],
        "device": "hidden-door",
        "series": "hidden-door:hidden-point",
        "zone": "hidden-zone",
        "person": "hidden-person",
        "post": "hidden-post",
        "edge": "hidden-edge",
        "account": "a-m-hidden",
        "token": token.json()["token"],
        "phone": phone.json()["phone"],
    }


def read_some(client: httpx2.Client, method: str, url: str, **options: object) -> tuple[int, str]:
    """Status, and what is said: all of it, or of a stream its beginning."""
    with client.stream(method, url, **options) as answer:  # type: ignore[arg-type]
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, next(answer.iter_text())
        return answer.status_code, answer.read().decode("utf-8", "replace")


def texts_of_query(route: Route) -> list[str]:
    """The names of what a route is asked beside its path, and takes any text for."""
    parts = DESCRIPTION["paths"][route.path][route.method.lower()].get("parameters", ())
    return [part["name"] for part in parts if part["in"] == "query" and "site" not in part["name"]]


def test_what_is_anothers_is_in_no_answer_stream_or_file(api: RunningApi) -> None:
    """Every id of a school of another area, in every place of every path, query and body that takes one."""
    hidden = hide_things(api)
    curious = api.prove(api.colleague("m-outside", *(Grant(role, OWN) for role in Role)))
    wrong, asked = [], 0

    def look(route: Route, url: str, **options: object) -> int:
        nonlocal asked
        asked += 1
        status, said = read_some(curious, route.method, url, **options)
        # What one sent oneself may be named in the refusal; what belongs to it may not.
        if MARK in said or "7777.25" in said or "m-hidden" in said.replace("a-m-hidden", "") or status == 500:
            wrong.append(f"{route.operation} {url}: {status} {said[:120]}")
        return status

    for route in ROUTES:
        reads = route.method == "GET"
        json_body = None if reads else {}
        if route.declared.kind not in ("site", "somewhere"):
            continue
        if route.declared.kind == "site" and look(route, route.at(HIDDEN), json=json_body) != 404:
            wrong.append(f"{route.operation}: answers about {HIDDEN}")
        absent = look(route, route.at(OWN), json=json_body)
        places = [place for place in _PLACEHOLDER.findall(route.path) if place != "site"]
        # Numbers are drawn at each school anew: that of another's alarm may be a hazard's here.
        things = [hidden[place] for place in places if place in hidden] or hidden.values()
        for thing in things if places else ():
            there = look(route, route.at(OWN, thing), json=json_body)
            if there not in (absent, 404, 422):
                wrong.append(f"{route.operation} {thing}: {there}, and {absent} for what there is not")
        for name in texts_of_query(route) if reads else ():
            for thing in [hidden[name]] if name in hidden else list(hidden.values())[:3]:
                look(route, route.at(OWN), params={name: thing})
    for query in ("live?site={}", "sites/{}/live", "county?area={}"):
        statuses = [curious.get(f"/api/v1/{query.format(site)}").status_code for site in (HIDDEN, NOWHERE)]
        assert statuses[0] == statuses[1], query
    assert asked > 300
    assert wrong == []


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
