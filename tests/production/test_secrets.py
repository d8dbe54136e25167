"""The job that makes secrets makes them once, and hands out no more than each service needs."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from carelink_api import clock
from carelink_api.deployment.make_secrets import main, self_signed
from carelink_api.signing_secret import secret_fault

SERVICES = {"api", "housekeeper", "owner", "database", "valkey", "proxy"}


def make(folder: Path, *more: str) -> dict[str, str]:
    """Run the job, which must succeed; return every file that it has handed out."""
    assert main(["--folder", str(folder), *more]) == 0
    files = [path for path in folder.glob("*/*") if path.parent.name != "kept"]
    return {f"{path.parent.name}/{path.name}": path.read_text() for path in files}


def pem_files(folder: Path, host_name: str) -> tuple[str, str]:
    """Write a certificate and its key as an authority's client would; return both paths."""
    key, _, chain = self_signed(host_name).partition("-----BEGIN CERTIFICATE-----")
    (folder / "chain.pem").write_text("-----BEGIN CERTIFICATE-----" + chain)
    (folder / "key.pem").write_text(key)
    return str(folder / "chain.pem"), str(folder / "key.pem")


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    assert make(tmp_path) == make(tmp_path, "--host-name", "other.example")


def test_what_is_handed_out_is_written_again_when_it_was_lost(tmp_path: Path) -> None:
    before = make(tmp_path)
    for path in tmp_path.glob("api/*"):
        path.unlink()
    assert make(tmp_path) == before


def test_every_secret_is_strong_and_its_own(tmp_path: Path) -> None:
    make(tmp_path)
    kept = [path.read_text() for path in (tmp_path / "kept").iterdir() if path.suffix != ".pem"]
    assert len(set(kept)) == len(kept) == 7
    assert [secret for secret in kept if secret_fault(secret)] == []


def test_the_audit_trail_s_key_is_the_housekeeper_s_alone(tmp_path: Path) -> None:
    files = make(tmp_path)
    key = files["housekeeper/audit-key"]
    assert [name for name, text in files.items() if key in text] == ["housekeeper/audit-key"]


def test_an_empty_file_is_never_taken_for_a_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path)
    (tmp_path / "kept" / "valkey-operator").write_text("")
    assert main(["--folder", str(tmp_path)]) == 1
    assert "valkey-operator is empty" in capsys.readouterr().err


def test_nobody_but_its_reader_may_read_a_file(tmp_path: Path) -> None:
    make(tmp_path)
    for path in tmp_path.glob("*/*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert {path.name for path in tmp_path.iterdir()} == SERVICES | {"kept"}
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700


def test_valkey_s_users_hold_no_password(tmp_path: Path) -> None:
    files = make(tmp_path)
    for name in ("valkey", "valkey-operator"):
        assert (tmp_path / "kept" / name).read_text() not in files["valkey/users.acl"]


def test_the_first_certificate_names_the_host(tmp_path: Path) -> None:
    files = make(tmp_path, "--host-name", "api.hospital.example")
    certificate = x509.load_pem_x509_certificate(files["proxy/tls.pem"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "api.hospital.example" in names.get_values_for_type(x509.DNSName)
    assert certificate.not_valid_after_utc > clock.now() + timedelta(days=365)


def test_an_authority_s_certificate_takes_its_place_and_stays(tmp_path: Path) -> None:
    first = make(tmp_path)
    chain, key = pem_files(tmp_path, "api.hospital.example")
    second = make(tmp_path, "--certificate", chain, key)
    assert first["proxy/tls.pem"] != second["proxy/tls.pem"]
    assert Path(chain).read_text() in second["proxy/tls.pem"]
    assert make(tmp_path) == second


def test_a_certificate_with_anothers_key_is_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = make(tmp_path)
    chain, _ = pem_files(tmp_path, "api.hospital.example")
    (tmp_path / "other.pem").write_text(self_signed("other.example"))
    for key in ("other.pem", "missing.pem", "chain.pem"):
        words = ["--folder", str(tmp_path), "--certificate", chain, str(tmp_path / key)]
        assert main(words) == 1
        assert "certificate is not taken" in capsys.readouterr().err
    assert make(tmp_path) == before
