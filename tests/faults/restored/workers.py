"""Workers that ran through a restoration, and workers that have started after it."""

from typing import Any

from carelink_api.extensions import db
from tests.auth_helper import Account, Auth
from tests.conftest import MakeApp
from tests.sessions.helpers import parts

Pair = dict[str, Any]


class Worker:
    """One application on the test's stores; its pulse beats when it is told to."""

    def __init__(self, make_app: MakeApp, **overrides: Any) -> None:
        self._make_app, self._overrides = make_app, overrides
        self.app = make_app(**overrides)
        self.auth = Auth(self.app)
        assert self.beat()

    def beat(self) -> bool:
        beaten: bool = parts(self.app).pulse.beat()
        return beaten

    def another(self) -> "Worker":
        """Start one more on the same stores, which knows only what they tell it."""
        return Worker(self._make_app, **self._overrides)

    def start(self, account: Account) -> Pair:
        """Log in, and use the access token once."""
        pair = self.auth.tokens(account.email)
        assert self.asks(pair) == "in"
        return pair

    def refreshed(self, pair: Pair) -> Pair:
        """Refresh, which must succeed, and use the new access token once."""
        answer = self.auth.refresh(pair["refresh"])
        assert answer.status_code == 200, answer.text
        fresh: Pair = answer.get_json()
        assert self.asks(fresh) == "in"
        return fresh

    def asks(self, pair: Pair) -> str:
        """Ask with the access token; return `in`, or the reason of the refusal."""
        return said(self.auth.verify(pair["access"]))

    def refreshes(self, pair: Pair) -> str:
        """Refresh; return `in`, or the reason of the refusal."""
        answer = self.auth.refresh(pair["refresh"])
        if answer.status_code == 503:  # on a connection that the restoration has ended
            answer = self.auth.refresh(pair["refresh"])
        return said(answer)

    def command(self, *words: str) -> str:
        """Type a command that must succeed; return what it prints."""
        with self.app.app_context():
            db.session.remove()
        result = self.app.test_cli_runner().invoke(args=list(words))
        assert result.exit_code == 0, result.output
        return str(result.output)


def said(answer: Any) -> str:
    if answer.status_code == 200:
        return "in"
    assert answer.status_code == 401, answer.text
    return str(answer.get_json()["reason"])
