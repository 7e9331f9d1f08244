"""Who may send requests to the viewer, and the marks, the only file that it writes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from m3w.pipeline.inspect.viewer import Guard
from m3w.pipeline.inspect.viewer.guard import token_for
from m3w.pipeline.inspect.viewer.marks import Marks
from m3w.recipes.errors import InputError
from tests.pipeline.inspect.viewer.conftest import TRAIN, Serve, Served

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", ["/", "/viewer.js", "/api/about", "/api/documents?sort=wrong", "/nothing"])
def test_every_answer_carries_the_policy(served: Served, path: str) -> None:
    headers = served.get(path)[1]
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:80", 200),
        ("[::1]:80", 200),
        ("127.0.0.2", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("192.168.0.7", 421),
        ("", 421),
    ],
)
def test_a_name_that_is_not_ours_is_refused(served: Served, host: str, status: int) -> None:
    assert served.get("/api/about", Host=host)[0] == status


def test_with_a_token_nothing_is_shown_without_it(serve: Serve) -> None:
    served = serve(guard=Guard("secret", frozenset({"box.example"})))
    for path in ("/", "/viewer.js", "/api/about", "/image/0/0/1", "/marks.csv", "/?token=wrong", "/?token="):
        assert served.get(path)[0] == 401
    status, headers, _ = served.get("/?token=secret")
    assert status == 303 and headers["Location"] == "/"
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert served.get("/api/about", Cookie="m3w_token=secret")[0] == 200
    assert served.get("/api/about", Cookie="m3w_token=secret", Host="box.example:8008")[0] == 200
    assert served.get("/api/about", Cookie="m3w_token=secret", Host="10.0.0.3:8008")[0] == 200
    assert served.get("/api/about", Cookie="m3w_token=secret", Host="evil.example")[0] == 421


def test_a_server_for_other_machines_always_has_a_token() -> None:
    assert token_for("127.0.0.1", None) is None and token_for("::1", "") is None
    assert token_for("127.0.0.1", "mine") == token_for("0.0.0.0", "mine") == "mine"
    for given in (None, ""):
        first, second = token_for("0.0.0.0", given), token_for("0.0.0.0", given)
        assert first and second and first != second and len(first) >= 32


MARK = {"document_id": TRAIN[0].document_id, "mark": "good", "url": "http://a.example/robin"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Content_Type": "text/plain"},
    ],
)
def test_a_mark_from_another_page_is_refused(served: Served, headers: dict[str, str]) -> None:
    assert served.get("/api/mark", body=MARK, **headers)[0] == 403
    assert served.viewer.marks.counts() == {"good": 0, "bad": 0}


def test_marks_are_kept_filtered_by_and_exported(served: Served) -> None:
    assert served.get("/api/mark", body=MARK)[2] == {"marks": {"good": 1, "bad": 0}}
    served.get("/api/mark", body={**MARK, "document_id": TRAIN[1].document_id, "mark": "bad", "note": "=1+1"})
    (good,) = served.get("/api/documents?mark=good")[2]["documents"]
    assert (good["document_id"], good["mark"]) == (TRAIN[0].document_id, "good")
    assert len(served.get("/api/documents?mark=any")[2]["documents"]) == 2
    lines = [json.loads(line) for line in served.get("/marks.jsonl")[2].decode().splitlines()]
    assert [(line["document_id"], line["mark"]) for line in lines] == [
        (TRAIN[0].document_id, "good"),
        (TRAIN[1].document_id, "bad"),
    ]
    rows = list(csv.DictReader(io.StringIO(served.get("/marks.csv")[2].decode())))
    assert [row["mark"] for row in rows] == ["good", "bad"] and rows[1]["note"] == "'=1+1"
    served.get("/api/mark", body={**MARK, "mark": None})
    assert served.get("/api/documents?mark=good")[2]["documents"] == []
    again = Marks(served.viewer.marks_file)
    assert again.counts() == {"good": 0, "bad": 1} and again.of(TRAIN[1].document_id) == "bad"


@pytest.mark.parametrize("body", [{"mark": "good"}, [], {"document_id": "x", "mark": "perfect"}, "text"])
def test_an_invalid_mark_is_refused(served: Served, body: object) -> None:
    assert served.get("/api/mark", body=body)[0] == 400


def test_a_damaged_file_of_marks_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "marks.jsonl").write_text('{"document_id": "a", "mark": "good"}\nnot json\n')
    with pytest.raises(InputError, match=r"line 2 of .*marks\.jsonl is no mark"):
        Marks(tmp_path / "marks.jsonl")
