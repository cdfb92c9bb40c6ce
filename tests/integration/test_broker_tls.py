"""A real Mosquitto with what `sanfang broker configuration` writes: each its own topics, nobody anything else.

A publish that is not allowed gets a PUBACK in MQTT 3.1.1 and a subscription is granted: what counts is what
arrives. So each test sends something allowed after what is denied, and waits for that.
"""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.clock import SystemClock
from edge.configuration import BrokerAddress, BrokerTls
from edge.credential import secure_client as secure_edge
from hub.clock import utc_now
from hub.settings import BrokerSettings, ClientTls
from hub.sites.authority import init_authority
from hub.tls import secure_client as secure_hub
from tests.conftest import RunningBroker, leave_out
from tests.secured import (
    E1,
    E2,
    SecuredSite,
    Speaker,
    forge_credential,
    run_command,
    self_signed,
    write_secured,
)
from tests.services.mosquitto import SecuredMosquitto, find_mosquitto
from tests.waiting import wait_until

pytestmark = pytest.mark.services
NOT_AUTHORIZED = 135
VERSIONS = [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5]


@pytest.fixture
def site(tmp_path: Path) -> SecuredSite:
    return SecuredSite(write_secured(tmp_path, "postgresql://nobody@127.0.0.1:1/none")).prepare()


@pytest.fixture
def broker(site: SecuredSite) -> Iterator[RunningBroker]:
    if find_mosquitto() is None:
        leave_out("Mosquitto")
    server = SecuredMosquitto(site.settings.broker.port, site.broker_folder)
    running = RunningBroker(server.service(), server.port, server.directory)
    try:
        yield running
    finally:
        running.stop()


def speaker(
    site: SecuredSite, credential: Path | None, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
) -> Speaker:
    return Speaker(site.settings.broker.port, site.file.parent / "ca" / "ca.crt", credential, version)


def hub(site: SecuredSite, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> Speaker:
    return speaker(site, site.authority.issued("hub"), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_edge_and_the_hub_reach_each_other(
    broker: RunningBroker, site: SecuredSite, version: MQTTProtocolVersion
) -> None:
    with hub(site, version) as above, speaker(site, site.edge_credential(E1), version) as edge:
        above.subscribe("sanfang/demo/+/up/alarm")
        above.subscribe("sanfang/+/+/up/telemetry")
        above.subscribe("sanfang/demo/+/up/heartbeat")
        above.subscribe("sanfang/+/+/down/receipt")
        edge.subscribe("sanfang/demo/e1/down/+")
        for what in ("alarm", "telemetry", "heartbeat"):
            edge.publish(f"sanfang/demo/e1/up/{what}", what.encode())
        for what in ("receipt", "gap", "command", "settings"):
            above.publish(f"sanfang/demo/e1/down/{what}", what.encode())
        wait_until(lambda: len(above.heard) == 4 and len(edge.heard) == 4, 10, "all is heard")
        assert [payload for _, payload in edge.heard] == [b"receipt", b"gap", b"command", b"settings"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_edge_cannot_speak_where_another_does(
    broker: RunningBroker, site: SecuredSite, version: MQTTProtocolVersion
) -> None:
    with hub(site, version) as above, speaker(site, site.edge_credential(E2), version) as thief:
        above.subscribe("sanfang/+/+/up/+")
        for topic in (
            "sanfang/demo/e1/up/alarm",
            "sanfang/other/e2/up/alarm",
            "sanfang/demo/e2/up/else",
            "sanfang/demo/e2/down/command",
            "sanfang/demo/e1/down/command",
            "$SYS/broker/version",
            "anything",
        ):
            code = thief.publish(topic)
            if version == MQTTProtocolVersion.MQTTv5:
                assert code.value == NOT_AUTHORIZED, topic
        thief.publish("sanfang/demo/e2/up/alarm", b"its own")
        wait_until(lambda: above.heard, 10, "its own arrives")
        assert above.heard == [("sanfang/demo/e2/up/alarm", b"its own")]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_edge_cannot_listen_where_another_does(
    broker: RunningBroker, site: SecuredSite, version: MQTTProtocolVersion
) -> None:
    with (
        hub(site, version) as above,
        speaker(site, site.edge_credential(E1), version) as other,
        speaker(site, site.edge_credential(E2), version) as spy,
    ):
        for topic in ("#", "+/#", "+/+/+/+/+", "$SYS/#", "sanfang/demo/e1/down/+", "sanfang/demo/+/up/alarm"):
            spy.subscribe(topic)
        spy.subscribe("sanfang/demo/e2/down/+")
        other.publish("sanfang/demo/e1/up/alarm", b"secret")
        above.publish("sanfang/demo/e1/down/settings", b"secret")
        above.publish("sanfang/demo/e2/down/settings", b"its own")
        wait_until(lambda: spy.heard, 10, "its own arrives")
        assert set(spy.heard) == {("sanfang/demo/e2/down/settings", b"its own")}


def test_the_hub_speaks_down_and_nowhere_else(broker: RunningBroker, site: SecuredSite) -> None:
    with hub(site) as above:
        assert above.publish("sanfang/demo/e1/up/alarm").value == NOT_AUTHORIZED
        assert above.publish("homeassistant/x").value == NOT_AUTHORIZED
        assert not above.publish("sanfang/demo/e1/down/settings").is_failure


@pytest.mark.parametrize("version", VERSIONS)
def test_retained_and_wildcard_publishing_end_the_connection(
    broker: RunningBroker, site: SecuredSite, version: MQTTProtocolVersion
) -> None:
    credential = site.edge_credential(E1)
    with hub(site) as above:
        above.subscribe("sanfang/+/+/up/+")
        with speaker(site, credential, version) as edge:
            code = edge.publish("sanfang/demo/e1/up/alarm", b"kept", retain=True)
            assert code is None or code.is_failure
        with speaker(site, credential, version) as edge:
            edge.client._send_publish(1, b"sanfang/demo/+/up/alarm", b"all", 1)  # paho itself refuses
            assert edge.gone.wait(10)
        with speaker(site, credential, version) as edge:
            edge.publish("sanfang/demo/e1/up/alarm", b"own")
        wait_until(lambda: above.heard, 10, "its own arrives")
        assert above.heard == [("sanfang/demo/e1/up/alarm", b"own")]
    with hub(site) as later:
        later.subscribe("sanfang/+/+/up/+")
        with speaker(site, credential, version) as edge:
            edge.publish("sanfang/demo/e1/up/alarm", b"new")
        wait_until(lambda: later.heard, 10)
        assert later.heard == [("sanfang/demo/e1/up/alarm", b"new")], "nothing was retained"


def test_a_packet_beyond_the_limit_ends_the_connection(broker: RunningBroker, site: SecuredSite) -> None:
    credential = site.edge_credential(E1)
    with speaker(site, credential, MQTTProtocolVersion.MQTTv311) as edge:
        assert not edge.publish("sanfang/demo/e1/up/telemetry", b"x" * 262_144).is_failure
        edge.client.publish("sanfang/demo/e1/up/telemetry", b"x" * 1_000_000, qos=1)
        assert edge.gone.wait(10)


def test_who_has_no_good_certificate_stays_outside(
    broker: RunningBroker, site: SecuredSite, tmp_path: Path
) -> None:
    now, ours = utc_now(), site.file.parent / "ca"
    stranger = tmp_path / "stranger"
    init_authority(stranger, "Sanfang CA", None, now)
    strangers = {
        "none": None,
        "self-signed": self_signed(tmp_path / "self.pem", "demo/e1"),
        "another authority of the same name": forge_credential(tmp_path / "s.pem", stranger, E1, now, 90),
        "expired": forge_credential(tmp_path / "old.pem", ours, E1, now - timedelta(days=91), 90),
        "not yet good": forge_credential(tmp_path / "new.pem", ours, E1, now + timedelta(days=1), 90),
        "a server's": site.authority.issued("broker"),
    }
    for name, credential in strangers.items():
        for version in VERSIONS:
            with speaker(site, credential, version) as outside:
                assert not outside.is_in, name
    with speaker(site, forge_credential(tmp_path / "good.pem", ours, E1, now, 90)) as inside:
        assert inside.is_in


def test_a_revoked_edge_stays_outside_and_a_new_certificate_lets_it_in(
    broker: RunningBroker, site: SecuredSite
) -> None:
    stolen, other = site.edge_credential(E1), site.edge_credential(E2)
    with speaker(site, stolen) as thief:
        assert thief.is_in
    assert site.authority.revoke("demo/e1", utc_now()) == 1
    site.write_broker()
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGHUP)

    def is_refused() -> bool:
        with speaker(site, stolen) as thief:
            return not thief.is_in

    wait_until(is_refused, 10, "the new list is read on SIGHUP")
    with speaker(site, other) as neighbour, speaker(site, site.edge_credential(E1)) as anew:
        assert neighbour.is_in and anew.is_in


def test_the_broker_shows_a_renewed_certificate_after_a_signal(
    broker: RunningBroker, site: SecuredSite
) -> None:
    before = site.authority.newest("broker")
    with hub(site) as above:
        run_command("ca", "renew", "--force", "-c", str(site.file))
        site.write_broker()
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGHUP)

        def shown() -> str:
            with hub(site) as other:
                der = other.client.socket().getpeercert(True)
            from cryptography import x509

            return f"{x509.load_der_x509_certificate(der).serial_number:x}"

        newest = site.authority.newest("broker")
        assert newest is not None and newest != before
        wait_until(lambda: shown() == newest.serial, 10, "the new one is shown")
        assert above.is_in, "those that are connected stay"


# paho leaves the socket of a refused handshake to the collector.
left_to_the_collector = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@left_to_the_collector
@pytest.mark.parametrize("side", ["edge", "hub"])
def test_our_own_clients_believe_our_authority_and_the_brokers_name_alone(
    broker: RunningBroker, site: SecuredSite, tmp_path: Path, side: str
) -> None:
    init_authority(tmp_path / "other", "Sanfang CA", None, utc_now())
    ours, others = site.file.parent / "ca" / "ca.crt", tmp_path / "other" / "ca.crt"
    credential = site.edge_credential(E1) if side == "edge" else site.authority.issued("hub")

    def connect(host: str, ca: Path) -> None:
        client = Client(CallbackAPIVersion.VERSION2)
        if side == "edge":
            edge_tls = BrokerTls(ca=ca.read_text(), credential=credential)
            secure_edge(client, BrokerAddress(host=host, port=broker.port, tls=edge_tls))
        else:
            hub_tls = ClientTls(ca=ca, certificate=credential)
            secure_hub(client, BrokerSettings(host=host, port=broker.port, tls=hub_tls))
        client.connect(host, broker.port)
        client.disconnect()

    connect("127.0.0.1", ours)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        connect("localhost", ours)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|signature failure|unable to get"):
        connect("127.0.0.1", others)


@left_to_the_collector
def test_an_edge_whose_clock_has_forgotten_the_year_still_connects(
    broker: RunningBroker, site: SecuredSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's clock cannot be turned back here: instead the broker's certificate begins tomorrow."""
    site.authority.issue_server("broker", ["127.0.0.1"], 90, utc_now() + timedelta(days=1))
    site.write_broker()
    broker.stop()
    broker.start()
    ca = (site.file.parent / "ca" / "ca.crt").read_text()
    address = BrokerAddress(
        host="127.0.0.1", port=broker.port, tls=BrokerTls(ca=ca, credential=site.edge_credential(E1))
    )

    def connect() -> None:
        client = Client(CallbackAPIVersion.VERSION2)
        secure_edge(client, address)
        client.connect(address.host, address.port)
        client.disconnect()

    with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
        connect()
    monkeypatch.setattr(SystemClock, "now_us", lambda _: 86_400_000_000)
    connect()
