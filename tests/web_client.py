"""One person's way to a running server: cookies, the form token, pages as a browser asks them."""

from typing import Any

import httpx

from tests.live import PASSWORD

ROUTER = "_pages_content.children"


class WebClient:
    """Signed in when an e-mail is given, else a stranger."""

    def __init__(self, url: str, email: str | None = None, password: str = PASSWORD) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        if email:
            self.http.get("/sign-in")
            answer = self.post("/sign-in", email=email, password=password)
            assert answer.status_code == 303, answer.text
            self.http.get("/settings")  # the token of this session

    def close(self) -> None:
        self.http.close()

    @property
    def token(self) -> str:
        return self.http.cookies.get("_csrf_token") or ""

    def post(self, path: str, **form: str) -> httpx.Response:
        return self.http.post(path, data={"csrf_token": self.token, **form})

    def callback(self, body: Any) -> httpx.Response:
        headers = {"X-CSRFToken": self.token}
        return self.http.post("/_dash-update-component", json=body, headers=headers)

    def page(self, path: str, search: str) -> str:
        """What a page shows, as the text of the answer."""
        answer = self.callback(page_request(path, search))
        assert answer.status_code == 200, answer.text
        return repr(answer.json()["response"]["_pages_content"]["children"])


def page_request(path: Any, search: Any) -> dict[str, Any]:
    """The callback's request for a page, as dash-renderer sends it."""
    given = {"pathname": path, "search": search}

    def location(*names: str) -> list[dict[str, Any]]:
        return [{"id": "_pages_location", "property": name, "value": given[name]} for name in names]

    return {
        "output": f"..{ROUTER}..._pages_store.data..",
        "outputs": [
            {"id": "_pages_content", "property": "children"},
            {"id": "_pages_store", "property": "data"},
        ],
        "inputs": location("pathname", "search"),
        "state": location("search", "pathname"),
        "changedPropIds": ["_pages_location.pathname"],
    }
