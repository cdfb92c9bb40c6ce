"""`sanfang ca` and `sanfang broker`: what they write, and that each fault names file, field and cure."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hub.app import run_hub
from hub.document import read_document
from hub.domain.error import ConfigurationError
from hub.settings import check_hub, load_settings
from hub.sites.authority import Authority
from hub.tls import check_tls
from tests.secured import SecuredSite, run_command, write_secured

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_secured(tmp_path, NOWHERE)


def faults_of(*words: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        run_command(*words)
    return "\n".join(caught.value.faults)


def change(file: Path, **changes: object) -> None:
    document = {**yaml.safe_load(file.read_text()), **changes}
    file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))


def test_the_commands_may_be_given_again(file: Path) -> None:
    site = SecuredSite(file).prepare()
    fingerprint = site.authority.fingerprint
    assert "was there already" in run_command("ca", "init", "-c", str(file))
    assert site.authority.fingerprint == fingerprint
    before = (file.parent / "ca" / "issued" / "https.pem").read_bytes()
    assert run_command("ca", "renew", "-c", str(file)).count("good until") == 3
    assert (file.parent / "ca" / "issued" / "https.pem").read_bytes() == before
    run_command("ca", "renew", "--force", "-c", str(file))
    assert (file.parent / "ca" / "issued" / "https.pem").read_bytes() != before
    assert check_tls(site.settings) == []
    assert not list(file.parent.rglob("*.new"))
    assert {each.name for each in site.broker_folder.iterdir()} == {
        "acl",
        "broker.pem",
        "ca.crt",
        "crl.pem",
        "mosquitto.conf",
    }
    assert all(each.stat().st_mode & 0o077 == 0 for each in site.broker_folder.iterdir())


def test_a_renewed_server_keeps_the_names_that_it_had(file: Path) -> None:
    run_command("ca", "init", "-c", str(file))
    run_command("ca", "issue", "broker", "--also", "broker.school.example", "-c", str(file))
    run_command("ca", "renew", "--force", "-c", str(file))
    hosts = Authority(file.parent / "ca").hosts("broker")
    assert set(hosts) == {"127.0.0.1", "broker.school.example"}


def test_faults_name_file_field_and_cure(file: Path) -> None:
    config = ("-c", str(file))
    assert "sanfang ca init" in faults_of("ca", "issue", *config)
    run_command("ca", "init", *config)
    assert "sanfang ca issue" in faults_of("broker", "configuration", *config, "--to", str(file.parent / "b"))
    assert "'nobody' is none of broker" in faults_of("ca", "issue", "nobody", *config)
    assert "'no name' is neither" in faults_of("ca", "issue", "broker", "--also", "no name", *config)
    assert "no certificate was issued to 'demo/e9'" in faults_of("ca", "revoke", "demo/e9", *config)
    assert "is not a name" in faults_of("ca", "revoke", "demo/E 9", *config)
    run_command("ca", "issue", *config)
    words = ("broker", "configuration", *config, "--to")
    assert "there is no user" in faults_of(*words, str(file.parent / "b"), "--owner", "no-such-user")
    assert "cannot be written" in faults_of(*words, str(file))
    change(file, ca=None)
    assert "ca: is missing; add ca: {directory: ca}" in faults_of("ca", "list", *config)
    assert "ca: is missing" in faults_of("edge", "invite", "e1", *config)


def test_an_encrypted_authority_wants_its_passphrase(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANFANG_CA_PASSPHRASE", "a secret")
    run_command("ca", "init", "--passphrase", "-c", str(file))
    run_command("ca", "issue", "-c", str(file))
    monkeypatch.delenv("SANFANG_CA_PASSPHRASE")
    assert "SANFANG_CA_PASSPHRASE" in faults_of("ca", "issue", "-c", str(file))


def test_a_hub_without_its_certificates_says_so_before_it_starts(file: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        run_hub(file)
    faults = caught.value.faults
    assert [fault.split(":")[0] for fault in faults] == ["http.tls.certificate", "broker.tls.ca"]
    assert all("sanfang ca issue" in fault for fault in faults)
    SecuredSite(file).prepare()
    assert check_tls(load_settings(file)) == []
    (file.parent / "ca" / "issued" / "hub.pem").chmod(0o644)
    (fault,) = check_tls(load_settings(file))
    assert "everybody may read this key" in fault
    (file.parent / "ca" / "issued" / "hub.pem").chmod(0o640)
    (file.parent / "ca" / "issued" / "hub.pem").write_text("nonsense")
    (fault,) = check_tls(load_settings(file))
    assert fault.startswith("broker.tls.certificate:")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"http": {"host": "0.0.0.0"}}, "http.host"),
        ({"http": {"host": "0.0.0.0", "tls": {"certificate": "x"}}}, "http.name"),
        ({"broker": {"host": "10.0.0.8"}}, "broker.host"),
        ({"broker": {"host": "127.0.0.1", "name": "broker.school.example"}}, "broker.name"),
    ],
)
def test_nothing_leaves_the_machine_in_the_clear(file: Path, changes: dict[str, object], field: str) -> None:
    assert check_hub(read_document(file), file) == []
    change(file, **changes)
    (fault,) = check_hub(read_document(file), file)
    assert fault.startswith(f"{file}: {field}: ")


def test_the_hub_is_called_by_its_name(file: Path) -> None:
    change(file, http={"host": "0.0.0.0", "port": 8443, "name": "::1", "tls": {"certificate": "x"}})
    assert load_settings(file).http.url == "https://[::1]:8443"
