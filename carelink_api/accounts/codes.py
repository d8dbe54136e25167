"""What a one-time code is, as a pure rule: random, and readable over a telephone.

80 bits in Crockford's base32, which has no letter that looks or sounds like a digit. At so many
bits a fast keyed hash is enough at rest, and no guess needs to be slowed down beyond the throttle.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

LIFETIME = timedelta(minutes=60)
"""Of a code for who has forgotten the password: as long as a telephone call and a walk."""
FIRST_LIFETIME = timedelta(days=7)
"""Of the code with which an account begins: it is handed out in person."""
MAX_REFUSALS = 100
"""Wrong codes that a code survives (NIST SP 800-63B-4 §3.2.2)."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH, _GROUP = 16, 4
_READ_AS = str.maketrans("ILO", "110", " -")


def new_code() -> str:
    """Return a code as it is shown, once: `K7QM-2XHD-9RTV-4WNB`."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def as_written(typed: str) -> str:
    """Return the one form of a code: case, dashes and blanks do not count, O is 0, I and L are 1.

    What can be no code stays something that is none.
    """
    return typed.upper().translate(_READ_AS)


def hash_of(code: str, user_id: int, secret: str) -> str:
    """Return what is stored of a code: keyed, and of no use to another account."""
    key = hmac.digest(secret.encode(), b"carelink one-time code", hashlib.sha256)
    told = f"{user_id}:{as_written(code)}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, told, hashlib.sha256).hex()
