"""Names as people write them, and as they are looked for."""

import unicodedata


def spelt(name: str) -> str:
    """Return the one spelling of a name: spaces and Unicode form do not count."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def name_key(name: str) -> str:
    """Return what a name is searched and sorted by, on every database alike: no case, no accents.

    At most 400 characters: two for one is what folding can make of a letter that a name has.
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    letters = (letter for letter in apart if not unicodedata.combining(letter))
    return " ".join("".join(letters).split())[:400]
