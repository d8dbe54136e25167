"""The ring that settings describe: read once at the start, and refused with one sentence."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from carelink_api import create_app
from carelink_api.auth.key_settings import key_ring
from carelink_api.auth.keys import KeyRing
from carelink_api.config import Settings, UnsafeSettings
from tests.auth.pairs import ed25519_pair, key_file, private_pem, public_pem, rsa_pair

SECRET = "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x"
OLDER = "q8Xw2-nR5tB7yK1mC4vZ6jH9sL3pF0dG"
PRODUCTION: dict[str, Any] = {
    "env": "production",
    "sqlalchemy_database_uri": "postgresql+psycopg://carelink@db/carelink",
    "redis_url": "rediss://cache.example",
    "jwt_secret_key": SECRET,
}


def ring(**changes: Any) -> KeyRing:
    return key_ring(Settings.load(Path("nowhere"), **(PRODUCTION | changes)))


def refusal(**changes: Any) -> str:
    """Return the sentence with which a start is refused."""
    with pytest.raises(UnsafeSettings) as caught:
        ring(**changes)
    sentence = str(caught.value)
    assert sentence.startswith("CARELINK_JWT_")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "BEGIN" not in sentence
    return sentence


@pytest.fixture
def ed_file(tmp_path: Path) -> str:
    return key_file(tmp_path / "ed.pem", private_pem(ed25519_pair()))


@pytest.fixture
def rsa_file(tmp_path: Path) -> str:
    return key_file(tmp_path / "rsa.pem", private_pem(rsa_pair()))


def test_without_any_setting_the_secret_signs_and_verifies_alone() -> None:
    keys = list(ring())
    assert [(key.algorithm, key.signing) for key in keys] == [("HS256", SECRET)]


def test_a_file_signs_by_setting(ed_file: str, rsa_file: str) -> None:
    for algorithm, path in (("EdDSA", ed_file), ("RS256", rsa_file)):
        (key,) = ring(jwt_algorithm=algorithm, jwt_signing_key=path)
        assert key.algorithm == algorithm
        assert key.signing is not None


def test_one_key_signs_and_the_others_verify(tmp_path: Path, ed_file: str, rsa_file: str) -> None:
    public = key_file(tmp_path / "next.pem", public_pem(ed25519_pair(1)), 0o644)
    keys = ring(
        jwt_algorithm="EdDSA",
        jwt_signing_key=ed_file,
        jwt_verifying_keys=[rsa_file, public],
        jwt_verifying_secrets=[SECRET, OLDER],
    )
    found = [(key.algorithm, key.signing is not None) for key in keys]
    assert found == [
        ("EdDSA", True), ("RS256", True), ("EdDSA", False), ("HS256", True), ("HS256", True),
    ]  # fmt: skip
    assert next(iter(keys)) is keys.signing


def test_the_text_of_a_key_does_as_well_as_its_path(
    ed_file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = private_pem(ed25519_pair())
    expected = ring(jwt_algorithm="EdDSA", jwt_signing_key=ed_file).signing.kid
    for spelling in (text, f"\n{text}\n", text.replace("\n", "\\n")):
        assert ring(jwt_algorithm="EdDSA", jwt_signing_key=spelling).signing.kid == expected
    folder = tmp_path / "secrets"
    folder.mkdir()
    key_file(folder / "CARELINK_JWT_SIGNING_KEY", text)
    monkeypatch.setenv("CARELINK_SECRETS_DIR", str(folder))
    assert ring(jwt_algorithm="EdDSA").signing.kid == expected


def test_a_key_comes_with_remarks_of_any_alphabet(tmp_path: Path) -> None:
    noted = "Schlüssel für Station Ü\n" + private_pem(ed25519_pair())
    path = key_file(tmp_path / "noted.pem", noted)
    assert ring(jwt_algorithm="EdDSA", jwt_signing_key=path).signing.algorithm == "EdDSA"


def test_an_algorithm_without_its_key_names_the_command_that_makes_one() -> None:
    for algorithm, command in (("EdDSA", "ed25519"), ("RS256", "rsa_keygen_bits:3072")):
        sentence = refusal(jwt_algorithm=algorithm)
        assert "CARELINK_JWT_SIGNING_KEY is missing" in sentence
        assert "openssl genpkey" in sentence
        assert command in sentence


def test_a_key_of_another_algorithm_is_refused(ed_file: str, rsa_file: str) -> None:
    assert "is a key for RS256" in refusal(jwt_algorithm="EdDSA", jwt_signing_key=rsa_file)
    assert "is a key for EdDSA" in refusal(jwt_algorithm="RS256", jwt_signing_key=ed_file)
    assert "JWT_ALGORITHM=HS256" in refusal(jwt_signing_key=ed_file)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (public_pem(ed25519_pair()), "is a public key"),
        (private_pem(ed25519_pair(), b"password"), "is encrypted"),
        (private_pem(ed448.Ed448PrivateKey.generate()), "neither an RSA nor an Ed25519"),
        (private_pem(ec.generate_private_key(ec.SECP256R1())), "neither an RSA nor an Ed25519"),
        (private_pem(rsa_pair(1024)), "RSA key of 1024 bits"),
        (private_pem(rsa.generate_private_key(public_exponent=3, key_size=2048)), "exponent"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----", "no key in PEM"),
        ("-----BEGIN CERTIFICATE-----\nMC4CAQ\n-----END CERTIFICATE-----", "no key in PEM"),
    ],
    ids=["public", "encrypted", "Ed448", "P-256", "1024", "e=3", "damaged", "certificate"],
)
@pytest.mark.parametrize("env", ["production", "development"])
def test_what_cannot_sign_is_refused_everywhere(
    pem: str, why: str, env: str, tmp_path: Path
) -> None:
    path = key_file(tmp_path / "key.pem", pem)
    assert why in refusal(jwt_algorithm="EdDSA", jwt_signing_key=path, env=env)
    assert why in refusal(jwt_algorithm="EdDSA", jwt_signing_key=pem, env=env)


def test_a_weak_key_does_not_verify_either(tmp_path: Path) -> None:
    path = key_file(tmp_path / "weak.pem", public_pem(rsa_pair(1024)))
    sentence = refusal(jwt_verifying_keys=[path])
    assert sentence.startswith("CARELINK_JWT_VERIFYING_KEYS, no. 1, is an RSA key of 1024 bits")


@pytest.mark.parametrize("path", ["nowhere.pem", "", ".", "/", "\0", "/dev/null", "MC4CAQAwBQ"])
def test_a_path_that_leads_to_no_key_is_refused(path: str, ed_file: str) -> None:
    sentence = refusal(jwt_verifying_keys=[ed_file, path])
    assert sentence.startswith("CARELINK_JWT_VERIFYING_KEYS, no. 2, ")


@pytest.mark.parametrize("mode", [0o644, 0o404, 0o666, 0o402])
def test_production_refuses_a_private_key_that_everybody_can_open(
    mode: int, tmp_path: Path
) -> None:
    path = key_file(tmp_path / "key.pem", private_pem(ed25519_pair()), mode)
    chosen = {"jwt_algorithm": "EdDSA", "jwt_signing_key": path}
    assert "mode to 0400" in refusal(**chosen)
    assert "mode to 0400" in refusal(jwt_verifying_keys=[path])
    assert ring(**chosen, env="development").signing.algorithm == "EdDSA"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640])
def test_a_private_key_of_the_account_or_its_group_is_fine(mode: int, tmp_path: Path) -> None:
    path = key_file(tmp_path / "key.pem", private_pem(ed25519_pair()), mode)
    assert ring(jwt_algorithm="EdDSA", jwt_signing_key=path).signing.algorithm == "EdDSA"


def test_a_key_that_is_named_twice_is_refused(tmp_path: Path, ed_file: str) -> None:
    half = key_file(tmp_path / "half.pem", public_pem(ed25519_pair()))
    pair = {"jwt_algorithm": "EdDSA", "jwt_signing_key": ed_file}
    for changes in (
        pair | {"jwt_verifying_keys": [half]},
        {"jwt_verifying_keys": [half, ed_file]},
        {"jwt_verifying_secrets": [SECRET]},
        pair | {"jwt_verifying_secrets": [OLDER, OLDER]},
    ):
        assert "repeats a key (kid " in refusal(**changes)


@pytest.mark.parametrize("secret", ["", "short", "secret" * 8, "a" * 40])
def test_production_refuses_a_weak_secret_that_still_verifies(secret: str) -> None:
    sentence = refusal(jwt_verifying_secrets=[OLDER, secret])
    assert sentence.startswith("CARELINK_JWT_VERIFYING_SECRETS, no. 2, ")
    assert len(secret) < 10 or secret not in sentence


def test_a_public_key_is_no_secret_even_in_development() -> None:
    pem = public_pem(ed25519_pair())
    for changes in ({"jwt_verifying_secrets": [pem]}, {"jwt_secret_key": pem}):
        assert "is no secret for HS256" in refusal(env="development", **changes)


def test_no_key_shows_in_the_settings_that_are_printed(ed_file: str) -> None:
    text = private_pem(ed25519_pair())
    settings = Settings(
        **PRODUCTION | {"jwt_signing_key": text, "jwt_verifying_keys": [text],
                        "jwt_verifying_secrets": [OLDER]}
    )  # fmt: skip
    for shown in (repr(settings), str(settings)):
        assert "BEGIN" not in shown
        assert OLDER not in shown


def test_the_application_does_not_start_on_a_bad_ring(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path, **PRODUCTION, jwt_algorithm="EdDSA")
    with pytest.raises(UnsafeSettings, match="JWT_SIGNING_KEY is missing"):
        create_app(settings, background=False)
