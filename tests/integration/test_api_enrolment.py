"""An edge enrols over HTTP: both sides derive one secret, an invitation works once, nothing secret crosses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec import structs

from adapters.contract.enrolment import Ask
from edge.enrolment import enrol_edge
from edge.error import EnrolmentError
from hub.app import invite
from hub.store.database import connect, fetch_all, fetch_one
from hub.store.site import edge_keys
from tests.integration.test_hub_app import write_config
from tests.running_api import RunningApi, prepare_site, run_api_here


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[RunningApi]:
    prepare_site(database)
    with run_api_here(database, tmp_path) as running:
        yield running


@pytest.fixture
def token(api: RunningApi, database: str, tmp_path: Path) -> str:
    return invite(write_config(tmp_path, database, 1883, http={"port": api.settings.http.port}), None, "e1")


def read(token: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return document


def ask(api: RunningApi, document: dict[str, Any], **changes: str) -> httpx2.Response:
    nonce = base64.b64encode(b"n" * 32).decode()
    said = Ask(document["site"], document["edge"], document["invite"], nonce, "")
    body = {**structs.asdict(said), "proof": said.prove(base64.b64decode(document["secret"]))}
    return httpx2.post(f"{api.url}/api/v1/enrolment", json={**body, **changes}, trust_env=False)


def test_our_own_edge_enrols_once(api: RunningApi, token: str, database: str, tmp_path: Path) -> None:
    identity = enrol_edge(token, tmp_path / "edge")
    with connect(database, application="test") as connection:
        key = edge_keys(connection)[("demo", "e1")]
        assert key.root_secret == identity.root_secret.get_secret_value()
        assert key.key_number == identity.key_number
        kinds = [
            row["kind"] for row in fetch_all(connection, "SELECT kind FROM journal WHERE subject = 'edge:e1'")
        ]
        assert kinds == ["edge.invited", "edge.enrolled"]
        assert fetch_one(connection, "SELECT secret FROM invite") == {"secret": b""}
    assert (identity.broker.host, identity.broker.port) == (
        api.settings.broker.host,
        api.settings.broker.port,
    )
    with pytest.raises(EnrolmentError, match="used already"):
        enrol_edge(token, tmp_path / "again")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"proof": "0" * 64}, 403),
        ({"invite": "unknown"}, 403),
        ({"edge": "e2"}, 403),
        ({"site": "other"}, 403),
        ({"edge_nonce": "short"}, 422),
        ({"edge_nonce": base64.b64encode(b"o" * 32).decode()}, 403),
        ({"request": "another key"}, 403),
        ({"proof": "no hex"}, 422),
    ],
)
def test_what_is_not_proved_is_refused(
    api: RunningApi, token: str, database: str, changes: dict[str, str], status: int
) -> None:
    answer = ask(api, read(token), **changes)
    assert answer.status_code == status, answer.text
    with connect(database, application="test") as connection:
        assert edge_keys(connection) == {}
    assert ask(api, read(token)).status_code == 200


def test_an_old_invitation_is_refused(api: RunningApi, token: str, database: str) -> None:
    with connect(database, application="test") as connection:
        connection.execute("UPDATE invite SET expires_at = now()")
    answer = ask(api, read(token))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_invited")


def test_nothing_secret_crosses(api: RunningApi, token: str) -> None:
    document = read(token)
    answer = ask(api, document)
    assert answer.status_code == 200
    assert ask(api, document).status_code == 409
    assert document["secret"] not in answer.text
    assert document["secret"] not in str(answer.request.content)
