"""Rules of the URL map that cost nothing before they are needed."""

from collections.abc import Callable
from functools import cache
from typing import Any

from werkzeug.routing import Rule

Build = Callable[..., tuple[str, str]]


class LazyRule(Rule):
    """A rule that compiles what builds its URLs when the first one is built.

    Werkzeug writes, parses and compiles two functions for every rule at once. That takes longer
    than all the rest of the start, and no route here builds a URL.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Build:
        @cache
        def compiled() -> Build:
            return Rule._compile_builder(self, append_unknown)

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build
