"""What a new password must be, as a pure rule (NIST SP 800-63B-4 §3.1.1.2, ASVS 6.2)."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise

MIN_LENGTH = 15
"""Code points: the least for a password that is the only factor."""
MAX_LENGTH = 1024
_OWN_LENGTH = 8
"""Code points that must remain once everything that a guesser knows is taken out."""

TOO_SHORT = f"Has fewer than {MIN_LENGTH} characters."
TOO_LONG = f"Has more than {MAX_LENGTH} characters."
NOT_TEXT = "Holds a control character, or one that Unicode cannot encode."
COMMON = "Is in the list of words and passwords that guessers try first."
REPEATED = "Is one short piece typed again and again."
PATTERN = "Is little more than a run such as 123456, abcdef, qwerty or aaaa."
UNCHANGED = "Is the password that it is to replace."
ABOUT_YOU = "Is little more than the name of the service, or the account's name, e-mail or unit."

_SEPARATORS = str.maketrans("", "", " -_.,/'@")
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "qazwsxedcrfvtgbyhnujmikolp",
    "!@#$%^&*()",
)
_SHORTEST_RUN = 4
"""Three in a row stand in plain words, as in `first`."""
_SAME = re.compile(rf"(.)\1{{{_SHORTEST_RUN - 1},}}", re.DOTALL)


def normalised(password: str) -> str:
    """Return the form that is hashed: composed and decomposed input log in alike (ASVS 6.2.8)."""
    return unicodedata.normalize("NFKC", password)


def password_faults(
    password: str, *, context: Iterable[str] = (), former: str | None = None
) -> list[str]:
    """Return what is wrong with a new password, a sentence each; empty where nothing is.

    `context` holds texts that a guesser of this account knows: e-mail, name, unit; `former` is the
    password that it replaces, where that is known. What kinds of characters it is made of does
    not matter (ASVS 6.2.5).
    """
    if len(password) > MAX_LENGTH or len(text := normalised(password)) > MAX_LENGTH:
        return [TOO_LONG]
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return [NOT_TEXT]
    if former is not None and text == normalised(former):
        return [UNCHANGED]
    faults = []
    if min(len(text), len(password)) < MIN_LENGTH:  # one ligature may unfold into 18 characters
        faults.append(TOO_SHORT)
    if guess := _guessable(_folded(text), context):
        faults.append(guess)
    return faults


def _guessable(text: str, context: Iterable[str]) -> str | None:
    """Say why a guesser would come across `text` soon, or None."""
    bare = text.translate(_SEPARATORS)
    if _listed(text) or _listed(bare):
        return COMMON
    if _repeats(text) or _repeats(bare):
        return REPEATED
    own = _without(bare, _context_words(context))
    if len(own) < _OWN_LENGTH and own != bare:
        return ABOUT_YOU
    core = _without_runs(own)
    if core == bare:
        return None
    if _listed(core):
        return COMMON
    return PATTERN if len(core) < _OWN_LENGTH else None


def _folded(text: str) -> str:
    return normalised(text.casefold())


def _listed(text: str) -> bool:
    return text in _first_guesses()


@cache
def _first_guesses() -> frozenset[str]:
    # Loaded when first asked: most workers never see a new password, and it takes 25 MB.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(_folded(word) for words in FREQUENCY_LISTS.values() for word in words)


def _repeats(text: str) -> bool:
    """Say whether `text` is a short piece twice or more; the last time it may be cut."""
    longest = min(len(text) // 2, MIN_LENGTH - 1)
    return any(text[size:] == text[:-size] for size in range(1, longest + 1))


def _context_words(context: Iterable[str]) -> list[str]:
    """Split the texts into what could be typed, longest first; two letters are no word."""
    words = {"carelink"}
    for text in map(_folded, context):
        words |= {text.translate(_SEPARATORS), text.partition("@")[0].translate(_SEPARATORS)}
        words |= set(re.split(r"\W+", text))
    return sorted((word for word in words if len(word) > 2), key=len, reverse=True)


def _without(text: str, words: Iterable[str]) -> str:
    for word in words:
        text = text.replace(word, "")
    return text


def _without_runs(text: str) -> str:
    """Cut out every run along the alphabet, the digits or a keyboard, and every `aaaa`."""
    kept = _SAME.sub("", text)
    pieces, start = [], 0
    for first, last in _runs(kept):
        pieces.append(kept[start:first])
        start = last
    return "".join(pieces) + kept[start:]


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Yield where runs of at least `_SHORTEST_RUN` characters stand, as slices."""
    start = 0
    while start < len(text):
        length = _run_length(text, start)
        if length >= _SHORTEST_RUN:
            yield start, start + length
            start += length
        else:
            start += 1


def _run_length(text: str, start: int) -> int:
    return max(_follows(text, start, pairs) for pairs in _neighbours())


def _follows(text: str, start: int, pairs: frozenset[tuple[str, str]]) -> int:
    end = start + 1
    while end < len(text) and (text[end - 1], text[end]) in pairs:
        end += 1
    return end - start


@cache
def _neighbours() -> tuple[frozenset[tuple[str, str]], ...]:
    both_ways = (run[::step] for run in _RUNS for step in (1, -1))
    return tuple(frozenset(pairwise(run)) for run in both_ways)
