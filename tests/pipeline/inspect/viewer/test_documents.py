"""What the viewer answers of documents, sequences, windows, drops and thresholds."""

from __future__ import annotations

import io
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import fsspec
import pytest
from PIL import Image

from tests.pipeline.inspect.conftest import Page
from tests.pipeline.inspect.viewer.conftest import ATTACK, DROPPED, TRAIN, Serve, Served


def listed(served: Served, query: str) -> list[str]:
    status, _, answer = served.get(f"/api/documents?{query}")
    assert status == 200, answer
    return [each["url"].rpartition("/")[2] for each in answer["documents"]]


@pytest.mark.parametrize(
    ("query", "urls"),
    [
        ("language=de", ["amsel"]),
        ("host=a.example", ["robin", "wren"]),
        ("host=b.a.example", ["wren"]),
        ("images_min=2&host=a.example", ["robin"]),
        ("images_max=1&host=a.example", ["wren"]),
        ("signal=words:6:&split=train&host=a.example", ["robin", "wren"]),
        ("signal=words:6:6&split=train&host=a.example", ["robin", "wren"]),
        ("signal=words:7:&host=a.example", []),
        ("q=SPRING", ["wren"]),
        ("q=Amsel", ["amsel"]),
        ("q=http://a.example/rob", ["robin"]),
        (f"q={TRAIN[1].document_id}", ["wren"]),
        ("split=train&sort=title&order=desc&host=a.example", ["wren", "robin"]),
        ("split=train&sort=words&host=c.example", ["amsel"]),
        ("q=nothing%20is%20like%20this", []),
    ],
)
def test_lists_the_requested_documents(served: Served, query: str, urls: list[str]) -> None:
    assert listed(served, query) == urls


def test_pages_follow_each_other_without_a_gap(served: Served) -> None:
    _, _, first = served.get("/api/documents?split=validation")
    _, _, second = served.get("/api/documents?split=validation&page=1")
    assert (len(first["documents"]), first["more"], first["total"]) == (50, True, 60)
    assert (len(second["documents"]), second["more"]) == (10, False)
    ids = [each["document_id"] for each in first["documents"] + second["documents"]]
    assert len(set(ids)) == 60


@pytest.mark.parametrize(
    "query",
    ["signal=nothing:1:2", "signal=words:x:", "sort=filename;drop", "images_min=many", "page=-1", "signal=words:nan:"],
)
def test_an_invalid_query_is_an_error(served: Served, query: str) -> None:
    status, _, answer = served.get(f"/api/documents?{query}")
    assert status == 400 and answer["error"]


def test_values_never_become_sql(served: Served) -> None:
    for value in ("'", "x' OR '1'='1", "%27%3B%20DROP%20TABLE%20x--"):
        assert listed(served, f"language={value.replace(' ', '%20')}") == []
        assert served.get(f"/api/window/{value.replace(' ', '%20')}")[0] == 400


def listed_document(served: Served, url: str) -> dict[str, Any]:
    document: dict[str, Any] = served.get(f"/api/documents?q={url}")[2]["documents"][0]
    return document


def test_a_document_is_its_nodes_in_page_order(served: Served) -> None:
    at = listed_document(served, "http://a.example/robin")
    _, _, answer = served.get(f"/api/document/{at['shard']}/{at['row']}")
    nodes = re.findall("<p dir=.auto.>(.*?)</p>|<img (.*?)>", answer["read"])
    assert [text for text, _ in nodes] == ["the robin sings", "", "from the hedge", ""]
    assert f'src="/image/{at["shard"]}/{at["row"]}/1" alt="picture 1"' in nodes[1][1]
    assert '<th scope="row">words</th><td class="number">6</td><td class="soft">at least 3</td>' in answer["signals"]
    assert '<th scope="row">split</th><td><bdi>train</bdi></td>' in answer["signals"]


def test_a_hostile_document_is_escaped_text(served: Served) -> None:
    at = next(each for each in served.get("/api/documents")[2]["documents"] if ATTACK in each["title"])
    _, _, answer = served.get(f"/api/document/{at['shard']}/{at['row']}")
    (drop,) = (group for group in served.get("/api/drops")[2] if group["reason"] == "words")
    for html in (answer["read"], answer["signals"], drop["html"]):
        page = Page(html)
        assert {tag for tag, _ in page.tags}.isdisjoint({"script", "svg", "style", "iframe", "form", "object"})
        names = {name for _, attributes in page.tags for name in attributes}
        assert names <= {"class", "dir", "src", "alt", "width", "height", "loading", "scope", "href", "rel", "target"}
        assert all(source.startswith(("/image/", "/fetched-image?")) for source in page.attributes("src"))
        assert all(link.startswith(("http://", "https://")) for link in page.attributes("href"))
    assert unescape(answer["read"]).count(ATTACK) >= 4


def test_pictures_are_drawn_anew(served: Served) -> None:
    at = listed_document(served, "http://a.example/robin")
    status, headers, content = served.get(f"/image/{at['shard']}/{at['row']}/3")
    assert status == 200 and headers["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(content)).size == (82, 60)
    assert served.get(f"/image/{at['shard']}/{at['row']}/0")[0] == 204
    assert served.get("/image/99/0/0")[0] == 400 and served.get("/image/0/999/0")[0] == 400


def test_sequences_are_those_in_the_tars_and_windows_the_trainers(served: Served) -> None:
    document_id = TRAIN[0].document_id
    (sequence,) = served.get(f"/api/sequences/{document_id}")[2]
    assert sequence["texts"] == ["the robin sings", None, "from the hedge", None] and sequence["images"] == 2
    window = served.get(f"/api/window/{sequence['key']}?tokens=64")[2]
    shown = dict(enumerate(zip(window["pieces"], window["phi"], window["masked"], strict=True)))
    assert shown[0] == ("the", 0, False) and shown[4] == ("<image>", 1, True)
    assert shown[5] == ("from", 1, False) and shown[9] == ("<image>", 2, True)
    assert window["pieces"][-1] == "<EOS>" and window["total"] == len(window["pieces"]) == 12
    ahead = served.get(f"/api/window/{sequence['key']}?tokens=64&next=1")[2]
    assert ahead["phi"][0] == 1 and ahead["phi"][5] == 2
    later = served.get(f"/api/window/{sequence['key']}?tokens=3&start=8")[2]
    assert later["pieces"] == ["<|endofchunk|>", "<image>", "<|endofchunk|>"] and later["first_image"] == 1
    assert served.get(f"/sequence-image/{sequence['key']}/1")[0] == 200


def test_drops_come_with_the_threshold_that_took_them(served: Served) -> None:
    groups = {group["reason"]: group for group in served.get("/api/drops")[2]}
    assert (groups["words"]["count"], groups["words"]["cause"]) == (1, "rule")
    assert (groups["words"]["shown"], groups["language"]["shown"]) == (1, 0)
    shown = groups["words"]["html"]
    assert '<p class="threshold">words = 2, allowed at least 3</p>' in shown
    assert f"two words {ATTACK}" in unescape(shown) and ATTACK not in shown
    assert "No sample of these was kept" in groups["language"]["html"]


@pytest.mark.parametrize(
    ("bounds", "taken", "newly_taken", "back"),
    [
        ("min=3", 1, 0, 0),
        ("min=5", 3, 1, 0),  # the two-word page as before, the German page, and the French one, which is no news
        ("min=2", 0, 0, 1),  # the two-word page; the French one stays away for its language
        ("", 0, 0, 1),
        ("max=4", 63, 63, 1),
    ],
)
def test_a_threshold_shows_what_it_would_drop_and_restore(
    served: Served, bounds: str, taken: int, newly_taken: int, back: int
) -> None:
    answer = served.get(f"/api/preview?rule=words&signal=words&{bounds}")[2]
    assert (answer["documents"], answer["kept"], answer["taken_now"]) == (66, 64, 1)
    assert (answer["taken"], answer["newly_taken"], answer["back"]) == (taken, newly_taken, back)
    histogram = answer["histogram"]
    assert (sum(histogram["kept"]), sum(histogram["dropped"])) == (64, 2)


def test_a_threshold_names_the_nearest_documents_first(served: Served) -> None:
    answer = served.get("/api/preview?rule=words&signal=words&min=6")[2]["examples"]["newly_taken"]
    assert [each["value"] for each in answer] == sorted((each["value"] for each in answer), reverse=True)
    back = served.get("/api/preview?rule=words&signal=words&min=2")[2]["examples"]["back"]
    assert [each["document_id"] for each in back] == [DROPPED[0].document_id]


def test_thresholds_on_images(served: Served) -> None:
    answer = served.get("/api/image-preview?signal=longer_side&min=83")[2]
    values = [each["value"] for each in answer["examples"]]
    assert (answer["images"], answer["taken"], values) == (65, 3, [82, 81, 80])
    assert served.get("/api/image-preview?signal=entropy&min=1")[0] == 400  # known in a run with links only


def test_a_dataset_without_its_run_is_viewed_too(serve: Serve, viewed_run: Path, tmp_path: Path) -> None:
    shutil.copytree(viewed_run / "dataset", tmp_path / "copy")
    served = serve(tmp_path / "copy")
    about = served.get("/api/about")[2]
    assert (about["documents"], about["rules"], about["with_dropped"]) == (64, {}, False)
    answer = served.get("/api/preview?signal=words&min=5")[2]
    assert (answer["documents"], answer["newly_taken"], answer["back"]) == (64, 1, 0)


def test_a_dataset_on_another_file_system(serve: Serve, viewed_run: Path) -> None:
    fsspec.filesystem("memory").put(str(viewed_run), "/birds", recursive=True)
    served = serve("memory://birds")
    assert listed(served, "language=de") == ["amsel"]
    at = listed_document(served, "http://a.example/robin")
    assert served.get(f"/image/{at['shard']}/{at['row']}/1")[0] == 200
    assert len(served.get(f"/api/sequences/{TRAIN[0].document_id}")[2]) == 1
    assert served.get("/api/preview?rule=words&signal=words&min=5")[2]["documents"] == 66
