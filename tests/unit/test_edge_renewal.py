"""An edge's own certificate: when it is renewed, what is tried, and who is told when that fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes

from adapters.contract.topic import Sender
from edge import renewal
from edge.clock import SystemClock
from edge.configuration import BrokerAddress, BrokerTls, Identity
from edge.credential import make_context, make_request, new_credential_file, read_validity, save_credential
from edge.error import CredentialError, EnrolmentError
from edge.renewal import Renewal
from hub.clock import utc_now
from hub.sites.authority import Authority, init_authority
from tests.ports import reserve_port

E1 = Sender("demo", "e1")
NO_CHECK_TIME = 0x200000


class Edge:
    """Who is looked after: remembers what it was told."""

    def __init__(self, folder: Path, age_days: int) -> None:
        self.ca, _ = init_authority(folder / "ca", "Test CA", None, utc_now())
        self.folder = folder
        tls = BrokerTls(ca=self.ca.certificate, credential=make_credential(self.ca, folder, age_days))
        self.identity = Identity(
            site="demo",
            edge="e1",
            root_secret=SecretBytes(b"s" * 32),
            key_number=1,
            broker=BrokerAddress(host="127.0.0.1", port=1, tls=tls),
            hub_url=f"https://127.0.0.1:{reserve_port()}",
        )
        self.wished: list[BrokerAddress] = []
        self.told: list[tuple[bool, int]] = []
        self.work = Renewal(folder, self, SystemClock())

    def wish_broker(self, broker: BrokerAddress) -> None:
        self.wished.append(broker)

    def tell_certificate(self, expiring: bool, days_left: int) -> None:
        self.told.append((expiring, days_left))

    def check(self) -> bool:
        assert self.identity.broker.tls is not None
        return asyncio.run(self.work._check(self.identity.broker.tls))


def make_credential(ca: Authority, folder: Path, age_days: int) -> Path:
    key, request = make_request()
    file = new_credential_file(folder)
    made = ca.certify_edge(E1, request.decode(), 90, utc_now() - timedelta(days=age_days))
    save_credential(file, key, made)
    return file


def test_a_good_certificate_is_left_alone_and_what_lies_beside_it_goes(tmp_path: Path) -> None:
    edge = Edge(tmp_path, 0)
    left = make_credential(edge.ca, tmp_path, 0)
    assert edge.check() is False
    assert (edge.wished, edge.told, left.exists()) == ([], [(False, 89)], False)


@pytest.mark.parametrize(("age_days", "expiring"), [(61, False), (77, True), (100, True)])
def test_where_the_hub_is_not_reached_people_hear_two_weeks_before_the_end(
    tmp_path: Path, age_days: int, expiring: bool
) -> None:
    edge = Edge(tmp_path, age_days)
    before = edge.identity.broker
    assert edge.check() is False
    assert edge.wished == [] and edge.told[0][0] is expiring and edge.identity.broker == before


def test_a_new_one_is_tried_and_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edge = Edge(tmp_path, 80)
    asked: list[Identity] = []

    def answer(identity: Identity, folder: Path) -> BrokerTls:
        asked.append(identity)
        return BrokerTls(ca=edge.ca.certificate, credential=make_credential(edge.ca, folder, 0))

    monkeypatch.setattr(renewal, "renew_credential", answer)
    assert edge.check() is True
    assert edge.check() is False, "the trial failed: the same certificate is tried again"
    assert len(asked) == 1 and len(edge.wished) == 2 and edge.wished[0] == edge.wished[1]
    edge.identity = edge.identity.model_copy(update={"broker": edge.wished[0]})
    assert edge.check() is False
    assert [expiring for expiring, _ in edge.told] == [True, True, False]
    assert edge.wished[0].tls is not None
    assert list(tmp_path.glob("credential-*")) == [edge.wished[0].tls.credential]


def test_a_lost_credential_is_renewed_by_the_secret_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = Edge(tmp_path, 0)
    assert edge.identity.broker.tls is not None
    edge.identity.broker.tls.credential.unlink()
    fresh = make_credential(edge.ca, tmp_path, 0)
    tls = BrokerTls(ca=edge.ca.certificate, credential=fresh)
    monkeypatch.setattr(renewal, "renew_credential", lambda *_: tls)
    assert edge.check() is True and edge.told == [(True, 0)]


def test_a_certificate_for_another_key_changes_nothing(tmp_path: Path) -> None:
    edge = Edge(tmp_path, 0)
    key, _ = make_request()
    file = tmp_path / "credential-x.pem"
    file.write_text("as it was")
    _, other = make_request()
    certificate = edge.ca.certify_edge(E1, other.decode(), 90, utc_now())
    with pytest.raises(CredentialError, match="another key"):
        save_credential(file, key, certificate)
    with pytest.raises(CredentialError, match="holds no certificate"):
        save_credential(file, key, "text")
    assert file.read_text() == "as it was"


def test_an_edge_without_tls_is_left_in_peace(tmp_path: Path) -> None:
    edge = Edge(tmp_path, 0)
    edge.identity = edge.identity.model_copy(update={"broker": BrokerAddress(host="127.0.0.1", port=1)})
    asyncio.run(asyncio.wait_for(edge.work.run(), 5))
    with pytest.raises(CredentialError, match="without TLS"):
        renewal.renew_credential(edge.identity, tmp_path)
    assert edge.told == []


def test_plain_http_leads_nowhere_but_to_this_machine(tmp_path: Path) -> None:
    edge = Edge(tmp_path, 0)
    identity = edge.identity.model_copy(update={"hub_url": "http://hub.school.example:8080"})
    with pytest.raises(EnrolmentError, match="this machine only"):
        renewal.renew_credential(identity, tmp_path)


def test_only_a_clock_that_cannot_be_right_is_not_asked_for_dates(tmp_path: Path) -> None:
    edge = Edge(tmp_path, 0)
    tls: Any = edge.identity.broker.tls
    validity = read_validity(tls.credential)
    now = SystemClock().now_us()
    assert not make_context(tls.ca, validity, now).verify_flags & NO_CHECK_TIME
    assert not make_context(tls.ca, validity, validity.ends_us + 1).verify_flags & NO_CHECK_TIME
    assert not make_context(tls.ca, None, 0).verify_flags & NO_CHECK_TIME
    assert make_context(tls.ca, validity, 0).verify_flags & NO_CHECK_TIME
