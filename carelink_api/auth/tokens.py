"""Mint and verify tokens. Every claim is demanded with its type; none is ever defaulted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar, cast

import jwt as pyjwt
from flask import Flask, current_app
from flask_jwt_extended import create_access_token, create_refresh_token

from .. import clock
from ..bounded import BoundedCache
from ..config import Settings
from ..errors import TokenNotValid, Unavailable
from ..extensions import jwt
from ..session_profiles import MAX_ACCESS_SECONDS
from ..sessions.claims import AccessClaims, Claims, RefreshClaims
from ..sessions.grants import Grant
from . import jws, payloads
from .keys import Key, KeyRing, UnknownKid
from .payloads import demand, moment
from .pem import PrivateKey

MAX_TOKEN_LENGTH = 8192
"""An access token of the longest name and e-mail address that an account may have fits."""
CACHED_TOKENS = 2048
EXTENSION = "carelink.tokens"
Kind = Literal["access", "refresh"]
C = TypeVar("C", AccessClaims, RefreshClaims)

# Explicit types keep the two kinds, and other systems' JWTs, apart (RFC 8725 §3.11, RFC 9068 §4).
_TYP: dict[str, str] = {"access": "at+jwt", "refresh": "rt+jwt"}
_SHAPE = re.compile(r"[\w-]+={0,2}\.[\w-]+={0,2}\.[\w-]+={0,2}\Z", re.ASCII)
_REFUSALS = (pyjwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError)


create_fresh_access_token = partial(create_access_token, fresh=True)


def init_app(app: Flask, settings: Settings) -> None:
    """Configure Flask-JWT-Extended, which mints for us."""
    app.config.update(
        JWT_ENCODE_ISSUER=settings.jwt_encode_issuer,
        JWT_ENCODE_AUDIENCE=settings.jwt_encode_audience,
        JWT_ENCODE_NBF=False,  # ours stands in the claims, as `exp` does
        JWT_ACCESS_TOKEN_EXPIRES=False,
        JWT_REFRESH_TOKEN_EXPIRES=False,
        JWT_COOKIE_CSRF_PROTECT=False,  # it would add a random claim to every token
    )
    jwt.init_app(app)


@dataclass(frozen=True)
class _Subject:
    """Whom a token is for, and the key that signs it: the ring may be replaced meanwhile."""

    user_id: int
    key: Key


@jwt.user_identity_loader
def _sub(subject: _Subject) -> str:
    return str(subject.user_id)


@jwt.encode_key_loader
def _signing_key(subject: _Subject) -> str | PrivateKey | None:
    return subject.key.signing


@dataclass(frozen=True)
class TokenPair:
    """Two signed tokens. Never logged, stored or audited."""

    access: str
    refresh: str


@dataclass(frozen=True)
class _Trust:
    """A ring, and what it has verified: replaced together, so neither outlives the other."""

    ring: KeyRing
    verified: BoundedCache[str, AccessClaims]


class TokenService:
    """Mints for grants, and verifies what comes back."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.replace_ring(KeyRing(None))  # nobody has looked yet which keys hold
        self._catch_up: Callable[[], bool] = lambda: False
        self._leeway = settings.leeway
        profiles = settings.session_profiles.by_name().values()
        self._longest = max(profile.absolute_seconds for profile in profiles)

    @property
    def ring(self) -> KeyRing:
        return self._trust.ring

    def replace_ring(self, ring: KeyRing) -> None:
        """Sign and verify with another ring from now on. What has left it verifies nothing more."""
        self._trust = _Trust(ring, BoundedCache(CACHED_TOKENS))

    def follow(self, catch_up: Callable[[], bool]) -> None:
        """Let `catch_up` see to it that the ring is at most a second old; it says if it could."""
        self._catch_up = catch_up

    def published_ring(self) -> KeyRing:
        """Return the ring as others may know it. Raises Unavailable before anybody has read it."""
        if not self._catch_up() and not self.ring.can_sign:
            raise Unavailable()
        return self.ring

    def mint(self, grant: Grant) -> TokenPair:
        """Sign both tokens of a grant. A reissued refresh token has the same jti, iat and exp.

        Raises Unavailable where no key is known that signs.
        """
        self._catch_up()  # a key that is gone since would sign what nobody takes
        subject = _Subject(grant.user.id, self.ring.signing)
        return TokenPair(
            self._mint(grant, subject, "access", self._access_claims(grant)),
            self._mint(grant, subject, "refresh", self._refresh_claims(grant)),
        )

    def verify_access(self, token: str) -> AccessClaims:
        """Return the claims of a good access token. Raises TokenNotValid.

        The signature of the very same token is checked once per process; its expiry every time.
        """
        claims = self._trust.verified.get(token)
        if claims is None:
            claims = self._try_rings(lambda trust: self._verify_access(token, trust))
        self.refuse_expired(claims)
        return claims

    def verify_refresh(self, token: str) -> RefreshClaims:
        """Return the claims of a good refresh token. Raises TokenNotValid."""
        claims = self.read_refresh(token)
        self.refuse_expired(claims)
        return claims

    def read_access(self, token: str) -> AccessClaims:
        """Return the claims of an access token of ours, expired or not. Raises TokenNotValid."""
        self._catch_up()
        return self._try_rings(
            lambda trust: self._read(token, trust.ring, "access", payloads.access_claims)
        )

    def read_refresh(self, token: str) -> RefreshClaims:
        """Return the claims of a refresh token of ours, expired or not. Raises TokenNotValid."""
        self._catch_up()
        return self._try_rings(
            lambda trust: self._read(token, trust.ring, "refresh", payloads.refresh_claims)
        )

    def refuse_expired(self, claims: Claims) -> None:
        """Raises TokenNotValid where the token's time is over."""
        if clock.wall() >= claims.expires_at + self._leeway.total_seconds():
            raise TokenNotValid("expired")

    def _try_rings(self, read: Callable[[_Trust], C]) -> C:
        """Read by the present ring; by a younger one where the token names a key it lacks.

        Raises TokenNotValid, and Unavailable where nobody can tell whose key that is.
        """
        try:
            return read(self._trust)
        except UnknownKid:
            if not self._catch_up():
                raise Unavailable() from None
        try:
            return read(self._trust)
        except UnknownKid:
            raise TokenNotValid() from None

    def _verify_access(self, token: str, trust: _Trust) -> AccessClaims:
        claims = self._read(token, trust.ring, "access", payloads.access_claims)
        trust.verified.put(token, claims)
        return claims

    def _read(
        self, token: str, ring: KeyRing, kind: Kind, build: Callable[[Mapping[str, Any]], C]
    ) -> C:
        """Verify everything but the expiry. Whatever is wrong, it is one constant refusal.

        Raises TokenNotValid, and UnknownKid for a name that the ring does not have.
        """
        if len(token) > MAX_TOKEN_LENGTH or not _SHAPE.match(token):
            raise TokenNotValid()
        try:
            header, payload = jws.verified(token, ring)
            self._demand_common(header, payload, kind)
            return build(payload)
        except UnknownKid:
            raise
        except _REFUSALS:
            raise TokenNotValid() from None

    def _demand_common(
        self, header: Mapping[str, Any], payload: Mapping[str, Any], kind: Kind
    ) -> None:
        demand(header.get("typ") == _TYP[kind], "typ")
        demand(payload.get("type") == kind, "type")
        demand(payload["iss"] == self._settings.jwt_encode_issuer, "iss")
        demand(payload["aud"] == self._settings.jwt_encode_audience, "aud")
        issued, expires = moment(payload["iat"]), moment(payload["exp"])
        demand(moment(payload["nbf"]) == issued, "nbf")
        demand(issued <= clock.wall() + self._leeway.total_seconds(), "iat")
        # A day more: shortening a profile must not make the tokens of older sessions foreign.
        life = MAX_ACCESS_SECONDS if kind == "access" else self._longest + 24 * 3600
        demand(issued <= expires <= issued + life, "exp")

    def _mint(self, grant: Grant, subject: _Subject, kind: Kind, claims: dict[str, Any]) -> str:
        header = _header(subject.key, kind)
        if not grant.fresh:  # a refresh: the library takes ten times as long for the same claims
            return jws.signed(header, self._whole(subject, kind, claims), subject.key)
        create = create_refresh_token if kind == "refresh" else create_fresh_access_token
        token: str = create(subject, additional_claims=claims, additional_headers=header)
        return token

    def _whole(self, subject: _Subject, kind: Kind, claims: dict[str, Any]) -> dict[str, Any]:
        """Return the claims with those that the library adds by itself."""
        return {
            "fresh": False,
            "type": kind,
            "sub": _sub(subject),
            "aud": self._settings.jwt_encode_audience,
            "iss": self._settings.jwt_encode_issuer,
        } | claims

    def _access_claims(self, grant: Grant) -> dict[str, Any]:
        claims = self._common(grant, grant.access_jti, grant.issued_at, grant.access_expires.at) | {
            "user_id": grant.user.id,
            "user_type": grant.user.user_type,
            "auth_time": int(grant.session.started_at.timestamp()),
            "amr": ["pwd"],
        }
        if self._settings.identity_claims == "full":
            claims |= {"email": grant.user.email, "name": grant.user.name}
        return claims

    def _refresh_claims(self, grant: Grant) -> dict[str, Any]:
        issued, expires = grant.refresh_issued_at, grant.session.expires_at
        return self._common(grant, grant.refresh_jti, issued, expires)

    def _common(
        self, grant: Grant, jti: str, issued: datetime, expires: datetime
    ) -> dict[str, Any]:
        return {
            "jti": jti,
            "iat": int(issued.timestamp()),
            "nbf": int(issued.timestamp()),
            "exp": int(expires.timestamp()),
            "sid": grant.session.id,
            "gen": grant.generation,
        }


def _header(key: Key, kind: Kind) -> dict[str, str]:
    return {"kid": key.kid, "alg": key.algorithm, "typ": _TYP[kind]}


def tokens() -> TokenService:
    """Return the running application's token service."""
    return cast(TokenService, current_app.extensions[EXTENSION])
