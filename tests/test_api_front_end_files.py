"""What a browser loads to draw the screens: small, kept, asked for early, and the right bytes."""

import asyncio
import re
from pathlib import Path

import brotli
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.joined_assets import ASSETS, FIRST_SCRIPT, SCRIPTS, STYLES
from api.kept_files import KeptFiles
from tests.live import OWNER
from tests.web_client import WebClient

MOST_BYTES = 1_500_000  # of everything that the first page needs


class Behind:
    """An application with files that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if "none" in request.url.path:
            return Response(b"no such file", 404)
        seen = " ".join(sorted(request.headers)).encode()
        return Response(
            b"x" * 5_000 if "long" in request.url.path else seen,
            media_type="text/javascript",
            headers={"Set-Cookie": "a=b", "Cache-Control": "max-age=9"},
        )


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def files(behind: Behind) -> KeptFiles:
    return KeptFiles(behind.app)


def get(files: KeptFiles, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(files)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers={"accept-encoding": "", **named})

    return asyncio.run(ask())


def test_a_file_is_read_once(files, behind):
    first = get(files, "/assets/long.js?m=1")
    again = get(files, "/assets/long.js?m=2")
    assert behind.asked == ["/assets/long.js"]
    assert first.content == again.content == b"x" * 5_000
    assert again.headers["cache-control"] == "max-age=9"


def test_a_libraries_mark_is_of_the_same_file(files, behind):
    get(files, "/_dash-component-suites/dash/deps/react@18.v4_4_1m1795334696.3.1.min.js")
    get(files, "/_dash-component-suites/dash/deps/react@18.v4_4_2m1795334697.3.1.min.js")
    assert len(behind.asked) == 1


def test_nothing_of_one_persons_request_is_kept_for_the_next(files):
    seen = get(files, "/assets/a.js", cookie="session=secret", range="bytes=0-3", if_match='"x"')
    assert "set-cookie" not in seen.headers
    assert not {"cookie", "range", "if-match", "accept-encoding"} & set(seen.text.split())


def test_what_is_no_file_is_not_kept(files, behind):
    for _ in range(2):
        assert get(files, "/assets/none.js").status_code == 404
    get(files, "/billing/usage")
    get(files, "/billing/usage")
    get(files, "/assets/long.js", "POST")
    assert behind.asked == ["/assets/none.js"] * 2 + ["/billing/usage"] * 2 + ["/assets/long.js"]


def test_the_first_to_ask_may_ask_for_the_head_alone(files):
    head = get(files, "/assets/long.js", "HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "5000")
    assert get(files, "/assets/long.js").content == b"x" * 5_000


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("br", "br"), ("gzip, deflate, br, zstd", "br"), ("br;q=0.5", "br"), ("br;q=0", None),
     ("br; q=0.000", None), ("gzip", None), ("", None), ("x-br", None)],
)  # fmt: skip
def test_it_is_compressed_for_whoever_decodes_it(files, accepted, encoding):
    answer = get(files, "/assets/long.js", accept_encoding=accepted)
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.content == b"x" * 5_000


def test_who_has_it_is_not_sent_it_again(files):
    tag = get(files, "/assets/long.js").headers["etag"]
    for tags in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = get(files, "/assets/long.js", if_none_match=tags)
        assert (answer.status_code, answer.content) == (304, b"")
    assert get(files, "/assets/long.js", if_none_match='"other"').status_code == 200
    small = get(files, "/assets/long.js", accept_encoding="br", if_none_match=tag)
    assert small.status_code == 200, "compressed it is another document"


# --- the product's own ------------------------------------------------------------------------
def test_every_own_file_is_in_one_of_the_joined_ones():
    whole = FIRST_SCRIPT.text + SCRIPTS.text + STYLES.text
    for path in [*ASSETS.glob("*.css"), *ASSETS.glob("*.js")]:
        assert whole.count(f"/* {path.name} */") == 1, path.name


def test_joined_style_sheets_apply_in_the_order_of_their_names():
    names = re.findall(r"/\* ([\w-]+\.css) \*/", STYLES.text)
    assert names == sorted(path.name for path in ASSETS.glob("*.css"))


def test_what_style_sheets_name_may_be_kept_for_ever():
    fonts = re.findall(r'url\("(/assets/vendor/[^"]+\.woff2[^"]*)"\)', STYLES.text)
    assert fonts
    assert all("?m=" in font for font in fonts)


def named_in(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/(?:assets|_dash)[^"]+)"', page)


def test_all_of_the_first_page_is_small_and_kept(live):
    client = WebClient(live.url, OWNER)
    page = client.http.get("/billing/usage")
    client.close()
    total = len(page.content)
    for address in named_in(page.text):
        with httpx.stream("GET", live.url + address, headers={"accept-encoding": "br"}) as answer:
            body = b"".join(answer.iter_raw())
            assert answer.status_code == 200, address
            is_marked = "?m=" in address or re.search(r"\.v[\w]+m\d+\.", address)
            if is_marked:
                assert "max-age=31536000" in answer.headers["cache-control"], address
            if address.split("?")[0].endswith((".js", ".css")):
                assert answer.headers["content-encoding"] == "br", address
                assert len(brotli.decompress(body)) > len(body)
            total += len(body)
    assert total < MOST_BYTES
    assert "/deps/polyfill" not in page.text
    assert "/dash_table/" not in page.text


def test_what_draws_charts_is_fetched_early_where_there_are_some(live):
    client = WebClient(live.url, OWNER)
    pages = ("/billing/usage", "/billing/usage/sms_credits", "/settings", "/billing/rates")
    found = ["async-graph.js" in client.http.get(path).text for path in pages]
    client.close()
    assert found == [True, True, False, False]


def test_the_files_are_those_on_disk(live):
    for name in ("vendor/plotly-basic.min.js", "05-theme.js", "favicon.svg"):
        answer = httpx.get(f"{live.url}/assets/{name}?m=1")
        assert answer.content == (Path(ASSETS) / name).read_bytes()


def test_a_page_travels_compressed_and_is_the_same(live):
    client = WebClient(live.url, OWNER)
    plain = client.http.get("/_dash-dependencies", headers={"accept-encoding": "identity"})
    small = client.http.get("/_dash-dependencies", headers={"accept-encoding": "gzip"})
    form = httpx.get(f"{live.url}/sign-in", headers={"accept-encoding": "gzip"})
    client.close()
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert small.json() == plain.json()
    assert "content-encoding" not in form.headers, "its length beside a guess would tell its token"
