"""Which of our representations a request would rather have (RFC 9110 §12.5.1). Pure."""

from typing import NamedTuple

from werkzeug.http import parse_list_header, parse_options_header

JSON = "application/json"
FHIR_JSON = "application/fhir+json"


class Representation(NamedTuple):
    """A way in which a record can be shown."""

    media_type: str
    fhir_version: str | None = None

    @property
    def is_fhir(self) -> bool:
        return self.fhir_version is not None

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; fhirVersion={self.fhir_version}" if self.is_fhir else JSON


OFFERED = (
    Representation(JSON),
    Representation(FHIR_JSON, "4.3"),
    Representation(FHIR_JSON, "4.0"),  # what we send of it is the same in both
)


class _Range(NamedTuple):
    """One element of an Accept header."""

    media_type: str
    fhir_version: str | None
    quality: float

    def precision(self, offer: Representation) -> int:
        """Return how precisely it means the representation; 0: not at all."""
        if self.media_type == "*/*":
            return 1
        kind, _, _ = offer.media_type.partition("/")
        if self.media_type == f"{kind}/*":
            return 2
        if self.media_type != offer.media_type:
            return 0
        if self.fhir_version is None or not offer.is_fhir:
            return 3
        return 4 if self.fhir_version == offer.fhir_version else 0


def preferred(accept: str | None) -> Representation | None:
    """Return the representation that an Accept header likes best; None: it takes none of ours.

    Plain JSON is what anybody gets who does not name FHIR; who names both alike knows FHIR. An
    element that cannot be read says nothing.
    """
    ranges = _ranges(accept or "") or [_Range("*/*", None, 1)]
    best = max(OFFERED, key=lambda offer: _liking(offer, ranges))
    return best if _liking(best, ranges)[0] > 0 else None


def _liking(offer: Representation, ranges: list[_Range]) -> tuple[float, int, bool]:
    """Return what is compared: the quality by the most precise element, and how precise it is."""
    meant = [(each.precision(offer), each.quality) for each in ranges if each.precision(offer)]
    precision, quality = max(meant, default=(0, 0.0))
    named = precision >= 3
    return quality, precision, offer.is_fhir if named else not offer.is_fhir


def _ranges(accept: str) -> list[_Range]:
    found = (_range(element) for element in parse_list_header(accept))
    return [each for each in found if each is not None]


def _range(element: str) -> _Range | None:
    media_type, options = parse_options_header(element)
    try:
        quality = float(options.get("q", "1"))
    except ValueError:
        return None
    if "/" not in media_type or not 0 <= quality <= 1:
        return None
    return _Range(media_type.lower(), options.get("fhirversion"), quality)
