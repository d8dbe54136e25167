"""The public keys, for other services that verify our tokens (RFC 7517)."""

import marshmallow as ma
from flask import Response, jsonify, request

from ..api import CareLinkBlueprint
from .key_rules import JWKS_SECONDS
from .tokens import tokens

bp = CareLinkBlueprint("keys", __name__, url_prefix="/.well-known", description="Public keys.")
CONTENT_TYPE = "application/jwk-set+json"


class JwkShape(ma.Schema):
    kty = ma.fields.String(required=True, validate=ma.validate.OneOf(["RSA", "OKP"]))
    kid = ma.fields.String(required=True, metadata={"description": "RFC 7638 thumbprint."})
    alg = ma.fields.String(required=True, validate=ma.validate.OneOf(["RS256", "EdDSA"]))
    use = ma.fields.String(required=True, validate=ma.validate.OneOf(["sig"]))
    n = ma.fields.String(metadata={"description": "RSA: the modulus."})
    e = ma.fields.String(metadata={"description": "RSA: the exponent."})
    crv = ma.fields.String(validate=ma.validate.OneOf(["Ed25519"]))
    x = ma.fields.String(metadata={"description": "Ed25519: the public key."})


class JwkSetShape(ma.Schema):
    keys = ma.fields.List(ma.fields.Nested(JwkShape), required=True)


@bp.get("/jwks.json")
@bp.alt_response(200, schema=JwkSetShape, content_type=CONTENT_TYPE)
def jwks() -> Response:
    """List the public keys that verify tokens. With HS256 there are none.

    Every worker answers the same bytes and `ETag`; `If-None-Match` is answered with 304.
    """
    response = jsonify(tokens().published_ring().jwk_set())
    response.content_type = CONTENT_TYPE
    response.headers["Cache-Control"] = f"public, max-age={JWKS_SECONDS}"
    response.add_etag()
    response.make_conditional(request)
    return response
