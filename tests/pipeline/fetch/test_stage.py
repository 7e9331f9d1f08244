"""Stage `fetch` with a real server on loopback, under several host names: what is requested, when, and what is stored."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from m3w.pipeline.fetch.requests import in_turns, requests
from m3w.pipeline.fetch.stage import fetch
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import ARCHIVED_IMAGES, INDEX, UNIQUE
from m3w.schemas.document import ImageReference, InterleavedDocument

Answers = dict[tuple[str, str], tuple[int, dict[str, str], bytes]]


class Site:
    """A server that answers by host and path, and notes what it was asked; unknown paths are 404."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.asked: Counter[str] = Counter()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host = self.headers["Host"].partition(":")[0]
                site.asked[f"{host}{self.path}"] += 1
                status, headers, body = site.answers.get((host, self.path), (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def url(self, host: str, path: str) -> str:
        return f"http://{host}:{self.port}{path}"

    def images_asked(self) -> dict[str, int]:
        return {path: n for path, n in self.asked.items() if not path.endswith((".txt", ".json"))}


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    threading.Thread(target=site.server.serve_forever, daemon=True).start()
    yield site
    site.server.shutdown()
    site.server.server_close()


def picture(shade: int = 0) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((90, 80 + shade)).save(file, "PNG")
    return file.getvalue()


def ok(shade: int = 0, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {name.replace("_", "-"): value for name, value in headers.items()}, picture(shade)


class Web:
    """Documents that show images of the site, and the stage over them."""

    def __init__(self, in_place: Any, site: Site):
        self.in_place, self.site = in_place, site
        self.sections: dict[str, Any] = {}
        self.fetch: dict[str, Any] = {}
        self.groups = 4

    def recipe(self) -> Recipe:
        hosts = ("a.test", "b.test", "c.test", "d.test")
        fetch = {
            "source": "web",
            "contact": "tests@example.org",
            "host": {"delay_s": 0},
            "allow_private": [f"127.0.0.1:{self.site.port}"],
            "resolve": dict.fromkeys(hosts, "127.0.0.1"),
            "attempts": 1,
            **self.fetch,
        }
        found: Recipe = self.in_place.recipe(fetch=fetch, **self.sections)
        return found

    def build(self, urls: list[str], now: datetime | None = None, declared: int | None = None) -> dict[str, Any]:
        """The index's row of each URL, after all rounds."""
        work, recipe = self.in_place, self.recipe()
        sides = {"declared_width": declared, "declared_height": declared}
        document = InterleavedDocument(
            url="http://page.test/", texts=[None] * len(urls), images=[ImageReference(url=u, **sides) for u in urls]
        )
        work.put(UNIQUE, [document.row()])
        work.put(ARCHIVED_IMAGES, [])
        work.inputs.entries(ARCHIVED_IMAGES)["p"].counters["image_references"] = (
            self.groups * recipe.fetch.urls_per_part
        )
        work.now = now
        work.stage(requests, recipe)
        self.entries = list(work.stage(fetch, recipe).values())
        rows = [row for entry in self.entries for row in work.rows(INDEX, entry.part)]
        final = [row for row in rows if row["status"] != "redirected"]
        assert len(final) == len({row["url"] for row in final}), "a URL has two ends"
        return {row["url"]: row for row in final}

    def counters(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for entry in self.entries:
            total.update(entry.counters)
        return total


@pytest.fixture
def web(in_place: Any, site: Site) -> Web:
    return Web(in_place, site)


def test_a_fetched_image_has_all_its_columns(web: Web, site: Site) -> None:
    site.answers["a.test", "/1.png"] = ok(Content_Type="image/png")
    url = site.url("a.test", "/1.png")
    row = web.build([url])[url]
    assert (row["status"], row["http_status"], row["final_url"], row["attempts"], row["transient"]) == (
        "ok", 200, url, 1, False,
    )  # fmt: skip
    assert (row["mime"], row["width"], row["height"], row["fetched_bytes"]) == ("image/png", 90, 80, len(picture()))
    assert row["consent"] == "robots.txt 404, tdmrep.json 404"
    assert row["fetched_at"] and row["seconds"] > 0 and row["location"]["size"] > 0
    assert len(row["sha256"]) == len(row["fetched_sha256"]) == 64 and len(row["phash"]) == 16


def test_a_url_is_requested_as_written(web: Web, site: Site) -> None:
    paths = ["/a%2Cb%26c,d&e.png", "/%7Ex/~x.png?sig=a%2Fb%3D&c=/%20", "/b//.png", "/moved%2C.png"]
    site.answers |= {("a.test", path): ok(n) for n, path in enumerate(paths)}
    site.answers["a.test", "/1.png"] = (302, {"Location": "/moved%2C.png"}, b"")
    urls = [site.url("a.test", path) for path in (*paths[:3], "/1.png")]
    assert {row["status"] for row in web.build(urls).values()} == {"ok"}
    assert site.images_asked() == {f"a.test{path}": 1 for path in (*paths, "/1.png")}


def test_every_url_is_requested_once_and_ends_with_a_status(web: Web, site: Site) -> None:
    site.answers |= {
        ("a.test", "/1.png"): ok(1),
        ("a.test", "/page.png"): (200, {"Content-Type": "image/png"}, b"<!doctype html><p>no picture</p>"),
        ("a.test", "/gone.png"): (410, {}, b""),
        ("a.test", "/empty.png"): (200, {}, b""),
        ("a.test", "/none.png"): (204, {}, b""),
        ("a.test", "/noai.png"): ok(2, X_Robots_Tag="noai"),
        ("a.test", "/tdm.png"): ok(3, tdm_reservation="1"),
        ("a.test", "/private/1.png"): ok(4),
        ("a.test", "/robots.txt"): (200, {}, b"User-agent: *\nDisallow: /private/"),
        ("b.test", "/reserved/1.png"): ok(5),
        ("b.test", "/free.png"): ok(6),
        ("b.test", "/.well-known/tdmrep.json"): (200, {}, b'[{"location": "/reserved/", "tdm-reservation": 1}]'),
        ("c.test", "/1.png"): ok(7),
        ("c.test", "/robots.txt"): (503, {"Retry-After": "0"}, b""),
        ("d.test", "/1.png"): ok(8),
        ("d.test", "/.well-known/tdmrep.json"): (500, {}, b""),
    }
    expected = {
        "a.test/1.png": "ok",
        "a.test/page.png": "not_an_image",
        "a.test/gone.png": "http_410",
        "a.test/missing.png": "http_404",
        "a.test/empty.png": "empty",
        "a.test/none.png": "http_204",
        "a.test/noai.png": "opted_out",
        "a.test/tdm.png": "opted_out",
        "a.test/private/1.png": "robots_disallowed",
        "b.test/reserved/1.png": "opted_out",
        "b.test/free.png": "ok",
        "c.test/1.png": "robots_unreachable",
        "d.test/1.png": "tdm_unreachable",
    }
    urls = {
        site.url(*name.split("/", 1)).replace(f":{site.port}", f":{site.port}/"): status
        for name, status in expected.items()
    }
    found = web.build(list(urls))
    assert {url: row["status"] for url, row in found.items()} == urls
    asked = {path for path, status in expected.items() if not status.endswith("_unreachable")}
    asked -= {"a.test/private/1.png", "b.test/reserved/1.png"}
    assert site.images_asked() == dict.fromkeys(asked, 1)
    passing = {url.split("/")[2].partition(":")[0] for url, row in found.items() if row["transient"]}
    assert passing == {"c.test", "d.test"}, "another day their files may be there"
    assert all((row["seconds"] or 0) > 0 for row in found.values() if row["http_status"])
    assert found[site.url("a.test", "/noai.png")]["consent"] == "X-Robots-Tag: noai"
    assert found[site.url("b.test", "/reserved/1.png")]["consent"] == "/.well-known/tdmrep.json of the host"
    counters = web.counters()
    dropped = sum(count for name, count in counters.items() if name.startswith("image_urls_dropped."))
    assert (counters["image_urls"], counters["images"], dropped) == (13, 2, 11)


def test_a_redirect_to_another_host_is_followed_by_that_hosts_part(web: Web, site: Site) -> None:
    far = site.url("b.test", "/picture.png")
    site.answers |= {
        ("a.test", "/1.png"): (302, {"Location": far}, b""),
        ("a.test", "/2.png"): (301, {"Location": "moved.png"}, b""),
        ("a.test", "/moved.png"): (308, {"Location": far}, b""),
        ("a.test", "/near.png"): (307, {"Location": "/there.png"}, b""),
        ("a.test", "/there.png"): ok(1),
        ("b.test", "/picture.png"): (302, {"Location": site.url("c.test", "/end.png")}, b""),
        ("b.test", "/robots.txt"): (200, {}, b"User-agent: *\nDisallow: /private/"),
        ("a.test", "/3.png"): (302, {"Location": site.url("b.test", "/private/1.png")}, b""),
        ("c.test", "/end.png"): ok(2),
    }
    urls = [site.url("a.test", path) for path in ("/1.png", "/2.png", "/3.png", "/near.png")]
    found = web.build(urls)
    assert [found[url]["status"] for url in urls] == ["ok", "ok", "robots_disallowed", "ok"]
    assert [found[url]["final_url"] for url in urls[:2]] == [site.url("c.test", "/end.png")] * 2
    assert [found[url]["hops"] for url in urls] == [2, 3, 1, 1]
    assert site.images_asked()["b.test/picture.png"] == site.images_asked()["c.test/end.png"] == 1
    assert "b.test/private/1.png" not in site.asked
    assert (web.counters()["image_urls"], web.counters()["redirects"]) == (4, 5)


def test_a_redirect_to_a_requested_url_is_not_requested_again(web: Web, site: Site) -> None:
    far = site.url("b.test", "/picture.png")
    site.answers |= {("a.test", "/1.png"): (302, {"Location": far}, b""), ("b.test", "/picture.png"): ok()}
    found = web.build([site.url("a.test", "/1.png"), far])
    assert {row["status"] for row in found.values()} == {"ok"}
    assert len({row["sha256"] for row in found.values()}) == 1
    assert found[site.url("a.test", "/1.png")]["final_url"] == far
    assert site.images_asked() == {"a.test/1.png": 1, "b.test/picture.png": 1}


def test_redirects_come_to_an_end(web: Web, site: Site) -> None:
    site.answers |= {
        ("a.test", "/loop.png"): (302, {"Location": "/loop.png"}, b""),
        ("a.test", "/ball.png"): (302, {"Location": site.url("b.test", "/ball.png")}, b""),
        ("b.test", "/ball.png"): (302, {"Location": site.url("a.test", "/ball.png")}, b""),
        ("a.test", "/file.png"): (302, {"Location": "file:///etc/passwd"}, b""),
        ("a.test", "/inside.png"): (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
        ("a.test", "/port.png"): (302, {"Location": f"http://a.test:{site.port - 1}/"}, b""),
        ("a.test", "/bad.png"): (302, {"Location": "http://[x/"}, b""),
    }
    statuses = {
        "/loop.png": "too_many_redirects",
        "/ball.png": "too_many_redirects",
        "/file.png": "blocked_scheme",
        "/inside.png": "blocked_address",
        "/port.png": "blocked_address",
        "/bad.png": "invalid_url",
    }
    found = web.build([site.url("a.test", path) for path in statuses])
    assert {url.rpartition("/")[2]: row["status"] for url, row in found.items()} == {
        path[1:]: status for path, status in statuses.items()
    }
    assert site.asked["a.test/loop.png"] == 6, "the first request and five redirects"


def test_only_transient_failures_are_retried_in_a_run(web: Web, site: Site) -> None:
    web.fetch = {"attempts": 2}
    site.answers |= {("a.test", "/busy.png"): (500, {}, b""), ("a.test", "/gone.png"): (404, {}, b"")}
    busy, gone = site.url("a.test", "/busy.png"), site.url("a.test", "/gone.png")
    found = web.build([busy, gone])
    assert (found[busy]["status"], found[busy]["attempts"], found[busy]["transient"]) == ("http_500", 2, True)
    assert (found[gone]["status"], found[gone]["attempts"], found[gone]["transient"]) == ("http_404", 1, False)
    assert site.images_asked() == {"a.test/busy.png": 2, "a.test/gone.png": 1}


def test_a_host_that_asks_for_a_long_pause_is_left_alone(web: Web, site: Site) -> None:
    web.fetch = {"attempts": 3, "host": {"connections": 1, "delay_s": 0}}
    paths = [f"/{n}.png" for n in range(9)]
    site.answers |= {("a.test", path): (429, {"Retry-After": "3600"}, b"") for path in paths}
    found = web.build([site.url("a.test", path) for path in paths])
    assert {(row["status"], row["transient"]) for row in found.values()} == {("http_429", True)}
    assert sum(site.images_asked().values()) == 1


def test_a_later_build_asks_again_only_for_what_failed_in_passing_and_only_after_days(web: Web, site: Site) -> None:
    site.answers |= {
        ("a.test", "/1.png"): ok(),
        ("a.test", "/busy.png"): (503, {}, b""),
        ("b.test", "/x"): (404, {}, b""),
    }
    urls = [site.url("a.test", "/1.png"), site.url("a.test", "/busy.png"), site.url("b.test", "/x")]
    first = web.build(urls)
    site.answers["a.test", "/busy.png"] = ok(9)
    assert web.build(urls, datetime.now(UTC) + timedelta(days=6)) == first
    assert site.asked["a.test/busy.png"] == 1
    later = web.build(urls, datetime.now(UTC) + timedelta(days=8))
    assert [later[url]["status"] for url in urls] == ["ok", "ok", "http_404"]
    assert site.images_asked() == {"a.test/1.png": 1, "a.test/busy.png": 2, "b.test/x": 1}
    names = {entry.part for entry in web.entries}
    assert web.build(urls, datetime.now(UTC) + timedelta(days=30)) == later
    assert {entry.part for entry in web.entries} == names, "the parts are the same again"


def test_results_of_an_unfinished_build_are_reused_with_another_number_of_groups(
    web: Web, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers |= {(f"{host}.test", f"/{n}.png"): ok(n) for host in "abcd" for n in range(2)}
    urls = [site.url(f"{host}.test", "/0.png") for host in "abcd"]
    web.build(urls)
    web.groups, web.fetch["urls_per_part"] = 9, 5000
    with monkeypatch.context() as patched:
        patched.setattr("m3w.pipeline.fetch.stage._carry_over", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            web.build([*urls, site.url("a.test", "/1.png")])
    web.groups, web.fetch["urls_per_part"] = 10, 4000
    web.build([*urls, site.url("a.test", "/1.png")])
    assert set(site.images_asked().values()) == {1} and len(site.images_asked()) == 5


def test_more_documents_ask_only_for_what_is_new(web: Web, site: Site, in_place: Any) -> None:
    site.answers |= {("a.test", f"/{n}.png"): ok(n) for n in range(4)}
    urls = [site.url("a.test", f"/{n}.png") for n in range(4)]

    def contents(index: dict[str, Any]) -> dict[str, bytes]:
        locations = {url: index[url]["location"] for url in urls[1:3]}
        return {
            url: (in_place.folder / "run" / at["path"]).read_bytes()[at["offset"] :][: at["size"]]
            for url, at in locations.items()
        }

    first = web.build(urls[:3])
    before = contents(first)
    second = web.build(urls[1:])
    assert set(second) == set(urls[1:])
    assert site.images_asked() == {f"a.test/{n}.png": 1 for n in range(4)}
    for url in urls[1:3]:
        same = {name: value for name, value in first[url].items() if name != "location"}
        assert {name: value for name, value in second[url].items() if name != "location"} == same
        assert before[url] == contents(second)[url] != b""
    assert web.counters()["image_urls_carried_over"] == 2


def test_a_longer_opt_out_list_takes_images_out_and_their_bytes_out_of_the_store(
    web: Web, site: Site, tmp_path: Path
) -> None:
    site.answers |= {("a.test", f"/{n}.png"): ok(n) for n in range(3)} | {("b.test", "/b.png"): ok(9)}
    urls = [*(site.url("a.test", f"/{n}.png") for n in range(3)), site.url("b.test", "/b.png")]
    assert [row["status"] for row in web.build(urls).values()] == ["ok"] * 4
    (tmp_path / "no.txt").write_text(f"b.test\n{urls[1]}\n")
    web.sections = {"consent": {"opt_out": [str(tmp_path / "no.txt")]}}
    found = web.build(urls)
    assert [found[url]["status"] for url in urls] == ["ok", "opted_out", "ok", "opted_out"]
    assert [found[url]["consent"] for url in urls[1::2]] == ["list", "list"]
    assert sum(site.images_asked().values()) == 4, "nothing is asked for again"
    store = sum(entry.counters.get("images", 0) for entry in web.entries)
    assert store == sum(
        output.rows for entry in web.entries for output in entry.outputs if output.path.endswith(".tar")
    )
    (tmp_path / "no.txt").write_text("")
    assert [row["status"] for row in web.build(urls).values()] == ["ok"] * 4, "a list that shrinks lets them in again"


def test_urls_excluded_by_pages_or_lists_are_not_requested(web: Web, site: Site) -> None:
    web.sections = {"urls": {"images": {"words": ["logo"]}}}
    site.answers |= {("a.test", "/logo.png"): ok(), ("a.test", "/1.png"): ok()}
    logo, small = site.url("a.test", "/logo.png"), site.url("a.test", "/1.png")
    found = web.build([logo, small], declared=40)
    assert (found[logo]["status"], found[small]["status"]) == ("blocked_word", "declared_too_small")
    assert site.images_asked() == {}
    assert web.build([small], declared=64)[small]["status"] == "ok"


def test_a_host_with_many_urls_is_cut_into_turns_of_one_owner(web: Web, site: Site) -> None:
    web.fetch, web.groups = {"urls_per_host": 2}, 1
    urls = [site.url(host, f"/{n}.png") for host, count in (("a.test", 5), ("b.test", 1)) for n in range(count)]
    web.build(urls)
    assert sorted(entry.counters["image_urls"] for entry in web.entries) == [1, 2, 3]
    requested = web.in_place.run.names("images/requests")
    assert requested == [f"images/requests/00000-{n:03d}.parquet" for n in range(3)]


def test_turns_hold_every_request_once() -> None:
    urls = [f"http://{host}/{n}" for host, count in (("a", 7), ("b", 3), ("c", 1)) for n in range(count)] + [
        "data:,x"
    ] * 9
    pieces = in_turns(pa.table({"location": urls}), 3)
    assert [suffix for suffix, _ in pieces] == ["-000", "-001", "-002"]
    assert sorted(url for _, piece in pieces for url in piece["location"].to_pylist()) == sorted(urls)
    for _, piece in pieces:
        hosts = Counter(url.split("/")[2] for url in piece["location"].to_pylist() if url.startswith("http"))
        assert max(hosts.values()) <= 3
