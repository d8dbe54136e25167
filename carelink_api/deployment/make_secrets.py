"""Makes what a deployment keeps secret, once, and hands each service its own part of it.

`docker-compose.yml` runs it before everything else. What is kept is never made again nor changed;
what is handed out is written anew each time. Every folder is a volume of its own, so that no
service sees another one's secrets (ASVS 13.3.1).
"""

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .. import clock
from ..signing_secret import kept_secret

USERS = Path(__file__).with_name("users.acl")
API_USER, STORE_USER, PROXY_USER = 10001, 999, 33
"""Who runs them: our image, the images of PostgreSQL and Valkey, and Debian's www-data."""
CERTIFICATE_LIFETIME = timedelta(days=825)
"""What clients take at most of a certificate that no authority has signed."""
_PASSWORDS = ("database-superuser", "database-owner", "database", "valkey-operator", "valkey")


@dataclass(frozen=True)
class Part:
    """A file that one service, and nobody else, may read."""

    path: str
    text: str
    reader: int


def main(arguments: list[str] | None = None) -> int:
    """Make what is missing, and hand everything out; return the exit code.

    It is 1, and nothing is handed out, where the certificate is not taken or a kept file is empty.
    """
    options = _parser().parse_args(arguments)
    kept = options.folder / "kept"
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    if options.certificate:
        chain, key = options.certificate
        try:
            _write(kept / "tls.pem", certified(chain.read_bytes(), key.read_bytes()))
        except (OSError, TypeError, ValueError) as fault:  # a TypeError: the key has a password
            print(f"The certificate is not taken: {fault}.", file=sys.stderr)
            return 1
    try:
        made = list(parts(kept, options.host_name, options.database, options.valkey))
    except ValueError as fault:
        print(f"{fault}.", file=sys.stderr)
        return 1
    for part in made:
        path = options.folder / part.path
        path.parent.mkdir(exist_ok=True)
        _write(path, part.text, part.reader)
    return 0


def parts(kept: Path, host_name: str, database: str, valkey: str) -> Iterator[Part]:
    """Yield what each service gets, made from what is kept."""
    superuser, owner, server, operator, user = (kept_secret(kept / name) for name in _PASSWORDS)
    settings = {
        "SQLALCHEMY_DATABASE_URI": f"postgresql://carelink:{server}@{database}/carelink",
        "REDIS_URL": f"redis://carelink:{user}@{valkey}/0",
        "JWT_SECRET_KEY": kept_secret(kept / "jwt-secret"),
    }
    for name, text in settings.items():
        yield Part(f"api/CARELINK_{name}", text, API_USER)
        yield Part(f"housekeeper/CARELINK_{name}", text, API_USER)
    # Who takes over a worker must not be able to seal an audit trail of their own.
    yield Part("housekeeper/audit-key", kept_secret(kept / "audit-key"), API_USER)
    # Who migrates owns the tables; who serves does not, and cannot switch off their triggers.
    migrating = f"postgresql://carelink_owner:{owner}@{database}/carelink"
    for name, text in (settings | {"SQLALCHEMY_DATABASE_URI": migrating}).items():
        yield Part(f"owner/CARELINK_{name}", text, API_USER)
    yield Part("database/superuser", superuser, STORE_USER)
    yield Part("database/carelink_owner", owner, STORE_USER)
    yield Part("database/carelink", server, STORE_USER)
    yield Part("valkey/operator", operator, STORE_USER)
    yield Part("valkey/users.acl", access_list(operator, user), STORE_USER)
    yield Part("proxy/tls.pem", _kept_certificate(kept / "tls.pem", host_name), PROXY_USER)


def access_list(operator: str, carelink: str) -> str:
    """Return Valkey's users; it holds only the passwords' hashes."""
    digests = {"operator": operator, "carelink": carelink}
    return USERS.read_text().format(
        **{name: sha256(password.encode()).hexdigest() for name, password in digests.items()}
    )


def certified(chain: bytes, key: bytes) -> str:
    """Return an authority's certificate with its key, in one file.

    Raises ValueError for what does not belong together or is not valid now.
    """
    certificate = x509.load_pem_x509_certificates(chain)[0]
    private = serialization.load_pem_private_key(key, password=None)
    if private.public_key() != certificate.public_key():
        raise ValueError("the key is another certificate's")
    if not certificate.not_valid_before_utc <= clock.now() < certificate.not_valid_after_utc:
        raise ValueError("it is not valid now")
    return key.decode() + "\n" + chain.decode()


def self_signed(host_name: str) -> str:
    """Return a certificate that no client trusts by itself, with its key, to start with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host_name)])
    names = [x509.DNSName(each) for each in dict.fromkeys((host_name, "localhost"))]
    here = x509.IPAddress(IPv4Address("127.0.0.1"))
    now = clock.now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([*names, here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return (text + certificate.public_bytes(pem)).decode()


def _kept_certificate(path: Path, host_name: str) -> str:
    if not path.exists():
        _write(path, self_signed(host_name))
    return path.read_text()


def _write(path: Path, text: str, reader: int | None = None) -> None:
    """Put a file in its place, whole at once, for one reader only."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.chmod(0o400)
    if reader is not None and os.geteuid() == 0:  # nobody else may give a file away
        os.chown(draft, reader, reader)
    draft.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("/secrets"))
    parser.add_argument("--host-name", default="localhost", help="of a self-signed certificate")
    parser.add_argument("--database", default="postgres", help="host and port of PostgreSQL")
    parser.add_argument("--valkey", default="valkey", help="host and port of Valkey")
    parser.add_argument("--certificate", nargs=2, type=Path, metavar=("CHAIN", "KEY"),
                        help="an authority's, to use from now on")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
