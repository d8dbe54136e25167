"""Rules of the URL map that cost little before they are needed."""

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.routing import Rule

Build = Callable[..., tuple[str, str]]


class LazyRule(Rule):
    """A rule that compiles what builds its URLs when the first one is built.

    Werkzeug writes, parses and compiles two functions for every rule at once. That takes longer
    than all the rest of the start, and no route here builds a URL.
    """

    _builds = False

    def build(
        self, values: Mapping[str, Any], append_unknown: bool = True
    ) -> tuple[str, str] | None:
        """Return the URL's host and path for these values; None where they do not fit."""
        if not self._builds:
            self._build = super()._compile_builder(False).__get__(self, None)
            self._build_unknown = super()._compile_builder(True).__get__(self, None)
            self._builds = True
        return super().build(values, append_unknown)

    def _compile_builder(self, append_unknown: bool = True) -> Build:
        return _not_compiled


def _not_compiled(_rule: Rule, **_: Any) -> tuple[str, str]:
    raise NotImplementedError("rules build by LazyRule.build")
