"""A page of an app that uses the session client, at the hospital's own origin."""

from typing import Any

from playwright.sync_api import BrowserContext, Page, Request, Route

from tests.auth_helper import Account

PATH = "/app-of-the-test"
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_PAGE = f'<!doctype html><title>App</title><script type="module" src="{PATH}/app.js"></script>'
_SCRIPT = """
import * as client from "/static/session.js";
const kept = new URLSearchParams(location.search);
const storage = {
  load: () => localStorage.getItem("refresh"),
  save: (refresh) => localStorage.setItem("refresh", refresh),
  clear: () => localStorage.removeItem("refresh"),
};
const transport = kept.get("transport") ?? "cookie";
const lockAfterSeconds = Number(kept.get("lock") ?? 0);
const session = client.createSession({ transport, storage, lockAfterSeconds });
const events = [];
for (const kind of ["change", "ended", "warning", "offline", "online"])
  session.addEventListener(kind, ({ detail }) =>
    events.push([kind, kind === "change" ? detail.status : detail, performance.now()]));
/** What became of a promise, as a test can read it. */
const outcome = (promise) => promise.then(
  (value) => value instanceof Response ? value.status : (value ?? null),
  ({ name, reason, status, message, problem }) =>
    ({ error: name, reason, status, message, problem }));
window.app = { ...client, session, events, outcome };
"""


class Asked:
    """The refreshes that some tabs have asked for."""

    def __init__(self, *apps: "App") -> None:
        self._seen: list[str] = []
        for app in apps:
            app.page.on("request", self._note)

    def refreshes(self) -> int:
        """Return how many there were since the last time."""
        count = len(self._seen)
        self._seen.clear()
        return count

    def _note(self, request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/refresh/"):
            self._seen.append(request.url)


class App:
    """One tab with the app, in the words of a test."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reload(self) -> None:
        """Load the page anew, as F5 does."""
        self.page.reload()
        self.page.wait_for_function("() => window.app")

    def login(self, account: Account) -> Any:
        credentials = [account.email, account.password]
        return self.do("([email, password]) => app.session.login(email, password)", credentials)

    def call(self, path: str = "/api/auth/sessions/", times: int = 1, **init: Any) -> Any:
        """Call the API that many times at once; return the outcomes, or the one."""
        script = "([path, times, init]) => Promise.all(Array.from({length: times}, () => "
        script += "app.outcome(app.session.fetch(path, init))))"
        found = self.page.evaluate(script, [path, times, init])
        return found if times > 1 else found[0]

    def start_call(self, path: str = "/api/auth/sessions/", times: int = 1, **init: Any) -> None:
        """Call as `call` does, but wait for the outcomes only in `outcomes`."""
        script = "([path, times, init]) => { window.outcomes = null; Promise.all(Array.from("
        script += "{length: times}, () => app.outcome(app.session.fetch(path, init))))"
        script += ".then((found) => { window.outcomes = found; }); }"
        self.page.evaluate(script, [path, times, init])

    def outcomes(self) -> list[Any]:
        """Return what has become of the calls of `start_call`."""
        found: list[Any] = self.page.wait_for_function("() => window.outcomes").json_value()
        return found

    def do(self, script: str, argument: Any = None) -> Any:
        """Return what becomes of what a function returns: its value, or the error's parts."""
        return self.page.evaluate(
            f"(argument) => app.outcome((async () => ({script})(argument))())", argument
        )

    @property
    def state(self) -> Any:
        return self.page.evaluate("app.session.state")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression over `app` holds."""
        self.page.wait_for_function(f"() => {condition}")

    def restore(self) -> Any:
        return self.do("() => app.session.restore()")

    def reauthenticate(self, account: Account) -> Any:
        return self.do("(password) => app.session.reauthenticate(password)", account.password)

    def events(self, kind: str) -> list[Any]:
        """Return the details of the events of a kind, in order."""
        found = self.page.evaluate("app.events")
        return [detail for name, detail, _ in found if name == kind]


def open_app(context: BrowserContext, **options: Any) -> App:
    """Open a tab with the app; `transport` and `lock` by name."""
    page = context.new_page()
    page.route(f"**{PATH}*", _answer_page)
    page.route(f"**{PATH}/app.js", _answer_script)
    query = "&".join(f"{name}={value}" for name, value in options.items())
    page.goto(f"{PATH}?{query}")
    page.wait_for_function("() => window.app")
    return App(page)


def _answer_page(route: Route) -> None:
    headers = {"Content-Security-Policy": POLICY}
    route.fulfill(body=_PAGE, content_type="text/html; charset=utf-8", headers=headers)


def _answer_script(route: Route) -> None:
    route.fulfill(body=_SCRIPT, content_type="text/javascript")
