"""The site's own authority: what it signs, what it remembers, and that nothing of it is ever half-written."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from adapters.contract.topic import Sender
from edge.credential import Validity, make_request
from hub.clock import utc_now
from hub.domain.error import ConfigurationError, InvalidAct
from hub.sites import authority as room
from hub.sites.authority import Authority, init_authority
from hub.sites.broker import MAX_NAME, credential_name, write_acl

E1 = Sender("school", "e1")
NOW = utc_now().replace(microsecond=0)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return init_authority(tmp_path / "ca", "Test CA", None, NOW)[0]


def read(text: str | bytes) -> x509.Certificate:
    data = text.encode() if isinstance(text, str) else text
    return x509.load_pem_x509_certificate(data[data.find(b"-----BEGIN CERTIFICATE") :])


def certify(ca: Authority, sender: Sender = E1, days: int = 90, now: datetime = NOW) -> x509.Certificate:
    return read(ca.certify_edge(sender, make_request()[1].decode(), days, now))


def usage_of(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_it_is_made_once_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    made, first = init_authority(tmp_path / "ca", "Test CA", None, NOW)
    again, second = init_authority(tmp_path / "ca", "Other", None, NOW)
    assert (first, second) == (True, False) and made.fingerprint == again.fingerprint
    assert (tmp_path / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700
    assert made.expires_at > NOW + timedelta(days=3650)
    constraints = read(made.certificate).extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length == 0


def test_a_crash_while_it_is_made_leaves_none_and_the_next_try_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = room.replace_file

    def crash(file: Path, data: bytes, **options: Any) -> None:
        if file.name == "ca.crt":
            raise KeyboardInterrupt
        whole(file, data, **options)

    monkeypatch.setattr(room, "replace_file", crash)
    with pytest.raises(KeyboardInterrupt):
        init_authority(tmp_path / "ca", "Test CA", None, NOW)
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="sanfang ca init"):
        Authority(tmp_path / "ca")
    made, _ = init_authority(tmp_path / "ca", "Test CA", None, NOW)
    certify(made)


def test_an_edges_certificate_is_for_a_client_of_that_name_alone(ca: Authority) -> None:
    certificate = certify(ca)
    assert [name.value for name in certificate.subject] == ["school/e1"]
    assert usage_of(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    lasts = certificate.not_valid_after_utc - NOW
    assert lasts == timedelta(days=90)


def test_a_servers_certificate_holds_its_names_and_stands_the_usual_check(ca: Authority) -> None:
    file = ca.issue_server("https", ["Hub.School.example", "10.0.0.8", "::1"], 90, NOW)
    certificate = read(file.read_bytes())
    assert ca.hosts("https") == ["hub.school.example", "10.0.0.8", "::1"]
    assert usage_of(certificate) == [ExtendedKeyUsageOID.SERVER_AUTH]
    verifier = PolicyBuilder().store(Store([read(ca.certificate)])).time(NOW)
    assert verifier.build_server_verifier(x509.DNSName("hub.school.example")).verify(certificate, [])
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("host", ["", "no name", "-x.example", "学校.example", "a" * 300, "*.example", "a/b"])
def test_what_is_no_host_is_refused(ca: Authority, host: str) -> None:
    with pytest.raises(InvalidAct, match="host:"):
        ca.issue_server("broker", [host], 90, NOW)
    assert ca.entries() == []


def test_nothing_but_its_key_is_believed_of_a_request(ca: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    wish = x509.CertificateSigningRequestBuilder().subject_name(name)
    wish = wish.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    text = wish.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    certificate = read(ca.certify_edge(E1, text, 90, NOW))
    assert [each.value for each in certificate.subject] == ["school/e1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def requests_that_are_none() -> list[str]:
    good = make_request()[1].decode()
    weak = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    rsa_key = rsa.generate_private_key(65_537, 2048)
    return [
        "",
        "text",
        good.replace("A", "B", 5),
        good + "x" * 5000,
        weak.sign(rsa_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(),
        weak.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode(),
    ]


@pytest.mark.parametrize("number", range(6))
def test_what_is_no_request_is_refused(ca: Authority, number: int) -> None:
    with pytest.raises(InvalidAct, match="request:"):
        ca.certify_edge(E1, requests_that_are_none()[number], 90, NOW)
    assert ca.entries() == []


def test_the_same_asking_gets_the_same_answer_until_it_is_time_to_renew(ca: Authority) -> None:
    request = make_request()[1].decode()
    first = ca.certify_edge(E1, request, 90, NOW)
    assert ca.certify_edge(E1, request, 90, NOW + timedelta(days=59)) == first
    assert len(ca.entries()) == 1
    assert ca.certify_edge(E1, request, 90, NOW + timedelta(days=60)) != first
    ca.revoke("school/e1", NOW + timedelta(days=60))
    assert len({entry.serial for entry in ca.entries()}) == 2
    ca.certify_edge(E1, request, 90, NOW + timedelta(days=60))
    assert len(ca.entries()) == 3, "a revoked one is not handed out again"


def test_revoking_names_every_good_certificate_of_the_edge_and_no_other(ca: Authority, tmp_path: Path) -> None:
    old = certify(ca, days=90, now=NOW - timedelta(days=100))
    mine = [certify(ca), certify(ca)]
    other = certify(ca, Sender("school", "e2"))
    assert ca.revoke("school/e1", NOW) == 2
    assert ca.revoke("school/e1", NOW) == 0
    revocations = x509.load_pem_x509_crl((tmp_path / "ca" / "crl.pem").read_bytes())
    assert {one.serial_number for one in revocations} == {one.serial_number for one in mine}
    assert other.serial_number not in {one.serial_number for one in revocations}
    assert old.serial_number not in {one.serial_number for one in revocations}
    assert revocations.is_signature_valid(read(ca.certificate).public_key())  # type: ignore[arg-type]
    ends = revocations.next_update_utc
    assert ends is not None and ends > NOW + timedelta(days=3650), "a forgotten list locks nobody out"
    with pytest.raises(ConfigurationError, match=r"school/e1, school/e2|school/e2"):
        ca.revoke("school/e3", NOW)


def test_a_key_with_a_passphrase_opens_with_it_alone(tmp_path: Path) -> None:
    init_authority(tmp_path / "ca", "Test CA", "a secret", NOW)
    assert b"ENCRYPTED" in (tmp_path / "ca" / "ca.key").read_bytes()
    certify(Authority(tmp_path / "ca", "a secret"))
    for wrong in (None, "another"):
        with pytest.raises(ConfigurationError, match="SANFANG_CA_PASSPHRASE"):
            certify(Authority(tmp_path / "ca", wrong))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ca.crt", "", "holds no certificate"),
        ("ca.key", "", "cannot be opened"),
        ("ledger.json", "{", "is no ledger"),
        ("ledger.json", '[{"a": 1}]', "is no ledger"),
    ],
)
def test_a_damaged_folder_is_told_by_file_and_cure(
    ca: Authority, tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / "ca" / name).write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        certify(Authority(tmp_path / "ca"))
    assert caught.value.faults[0].startswith(f"{tmp_path / 'ca' / name}: ")


def test_the_key_of_another_authority_is_found_out(ca: Authority, tmp_path: Path) -> None:
    init_authority(tmp_path / "other", "Test CA", None, NOW)
    (tmp_path / "ca" / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())
    with pytest.raises(ConfigurationError, match=r"is not the key of ca\.crt"):
        certify(ca)


def test_many_at_once_are_all_in_the_ledger(ca: Authority) -> None:
    senders = [Sender("school", f"e{number}") for number in range(24)]
    threads = [threading.Thread(target=certify, args=(ca, sender)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.name for entry in ca.entries()} == {str(sender) for sender in senders}


def test_the_ledger_forgets_what_ran_out_a_year_ago(ca: Authority, tmp_path: Path) -> None:
    certify(ca, days=90)
    certify(ca, days=90, now=NOW + timedelta(days=400))
    assert len(ca.entries()) == 2
    certify(ca, days=90, now=NOW + timedelta(days=500))
    assert len(json.loads((tmp_path / "ca" / "ledger.json").read_text())) == 2


def test_two_edges_never_share_a_name_however_long() -> None:
    long = [Sender("s" * 63, "e" * 62 + end) for end in "ab"]
    names = {credential_name(sender) for sender in [*long, E1]}
    assert len(names) == 3 and all(len(name) <= MAX_NAME for name in names)
    assert all(f"user {credential_name(sender)}\n" in write_acl(long) for sender in long)


def test_the_acl_names_exactly_the_topics_of_each() -> None:
    assert write_acl([Sender("school", "e2"), E1]).split("\n\n")[1:] == [
        "user school/e1\n"
        "topic write sanfang/school/e1/up/alarm\n"
        "topic write sanfang/school/e1/up/telemetry\n"
        "topic write sanfang/school/e1/up/heartbeat\n"
        "topic read sanfang/school/e1/down/+",
        "user school/e2\n"
        "topic write sanfang/school/e2/up/alarm\n"
        "topic write sanfang/school/e2/up/telemetry\n"
        "topic write sanfang/school/e2/up/heartbeat\n"
        "topic read sanfang/school/e2/down/+\n",
    ]


def test_an_edge_renews_when_a_third_is_left_and_warns_two_weeks_before_the_end() -> None:
    day = 86_400_000_000
    validity = Validity(0, 90 * day)
    assert [validity.is_due(at * day) for at in (-1, 0, 59, 60, 89, 91)] == [False] * 3 + [True] * 3
    assert [validity.is_expiring(at * day) for at in (0, 75, 76, 91)] == [False, False, True, True]
