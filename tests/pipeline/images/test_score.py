"""Images to the scorers' numbers, and the numbers to rules."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from m3w.pipeline.dataset.join import join
from m3w.pipeline.engine.output_files import OutputFile
from m3w.pipeline.filters.signals import IMAGE_SIGNALS
from m3w.pipeline.images.score import score
from m3w.pipeline.images.scorers import check_scorers
from m3w.pipeline.images.section import ScorerEntry
from m3w.pipeline.images.store import StoreWriter
from m3w.pipeline.tables import IMAGE_RESULTS, JOINED, SCORES, STORE, UNIQUE
from m3w.recipes.errors import InputError
from m3w.schemas.document import ImageReference, InterleavedDocument

SCORER = '''
"""Two signals that need no weights: how bright a picture is, and how many words stand beside it."""


class BrightnessAndWords:
    def __init__(self, white=1.0):
        self._white = white

    def __call__(self, images):
        found = []
        for image in images:
            assert image.picture.mode == "RGB"
            texts = [text for text in (image.alt, image.caption, image.before, image.after) if text]
            words = len(" ".join(texts).split()) if texts else float("nan")
            found.append((image.picture.convert("L").getpixel((0, 0)) / 255 * self._white, words))
        return found
'''
SECTION = {
    "scorers": {
        "bright": {
            "class_path": "brightness_scorer.BrightnessAndWords",
            "options": {"white": 2.0},
            "signals": ["brightness", "words_beside"],
        }
    },
    "batch": 2,
}
SITE = "http://site.example"


@pytest.fixture(autouse=True)
def scorer_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scorers").mkdir()
    (tmp_path / "scorers/brightness_scorer.py").write_text(SCORER)
    monkeypatch.syspath_prepend(str(tmp_path / "scorers"))


def png(shade: int, size: tuple[int, int] = (90, 80)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, shade).save(file, "PNG")
    return file.getvalue()


def fetched(in_place: Any, pictures: dict[str, bytes | None]) -> None:
    """The store and the results as `fetch` and `image_results` would have left them; None was not found."""
    rows = []
    path = in_place.folder / "run" / STORE.path("0")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file, StoreWriter(OutputFile(file), STORE.path("0")) as store:
        for number, (url, content) in enumerate(pictures.items()):
            row: dict[str, Any] = {"url": url, "status": "http_404"}
            if content is not None:
                name = f"{number:064x}"
                row |= {"status": "ok", "sha256": name, "mime": "image/png", "fetched_mime": "image/png"}
                row |= {"width": 90, "height": 80, "phash": f"{number:016x}"}
                row |= {"signals": dict.fromkeys(IMAGE_SIGNALS, 100.0) | {"aspect_ratio": 1.1}}
                row["location"] = store.store(name, "image/png", content)
            rows.append(row)
    in_place.put(IMAGE_RESULTS, rows)


def documents(in_place: Any) -> None:
    def image(name: str, **says: Any) -> ImageReference:
        return ImageReference(url=f"{SITE}/{name}.png", **says)

    first = InterleavedDocument(
        url=f"{SITE}/1",
        texts=["far away", None, "two words", None, None],
        images=[None, image("white", alt="alt"), None, image("gone"), ImageReference(url=f"{SITE}/grey.png#top")],
    )
    second = InterleavedDocument(
        url=f"{SITE}/2",
        texts=[None, None, None],
        images=[image("white"), image("damaged", caption="a b c"), image("video", status="video")],
    )
    in_place.put(UNIQUE, [first.row(), second.row()])


def scored(in_place: Any, **scores: Any) -> tuple[dict[tuple[str, int, str], float | None], dict[str, int]]:
    fetched(
        in_place,
        {f"{SITE}/white.png": png(255), f"{SITE}/grey.png": png(51, (3000, 900)), f"{SITE}/gone.png": None,
         f"{SITE}/damaged.png": png(9)[:60]},
    )  # fmt: skip
    documents(in_place)
    entry = in_place.part(score, "p", in_place.recipe(scores={**SECTION, **scores}))
    rows = in_place.rows(SCORES)
    urls = {row["document_id"]: row["url"] for row in in_place.rows(UNIQUE)}
    found = {(urls[row["document_id"]], row["position"], row["signal"]): row["score"] for row in rows}
    assert len(found) == len(rows)
    return found, entry.counters


def test_every_fetched_image_is_scored_in_its_document(in_place: Any) -> None:
    found, counters = scored(in_place)
    assert found == {
        (f"{SITE}/1", 1, "brightness"): 2.0,
        (f"{SITE}/1", 1, "words_beside"): 5.0,
        (f"{SITE}/1", 4, "brightness"): 0.4,
        (f"{SITE}/1", 4, "words_beside"): 2.0,
        (f"{SITE}/2", 0, "brightness"): 2.0,
        (f"{SITE}/2", 0, "words_beside"): None,
    }
    assert counters == {"images_scored": 3, "images_not_scored.undecodable": 1}


def test_the_size_of_a_batch_changes_nothing(in_place: Any) -> None:
    assert scored(in_place, batch=1) == scored(in_place, batch=50)


@pytest.mark.parametrize(
    ("rules", "statuses"),
    [
        ({}, ["ok", "http_404", "ok", "ok", "ok", "video"]),
        ({"dark": {"signal": "brightness", "min": 1}}, ["ok", "http_404", "dark", "ok", "dark", "video"]),
        ({"alone": {"signal": "words_beside", "min": 1}}, ["ok", "http_404", "ok"]),
    ],
)
def test_an_image_without_a_score_is_dropped_only_if_a_rule_needs_the_score(
    in_place: Any, rules: dict[str, Any], statuses: list[str]
) -> None:
    scored(in_place)
    recipe = in_place.recipe(scores=SECTION, rules={"image": rules}, dataset={"validation_fraction": 0})
    entry = in_place.part(join, "p", recipe)
    joined = in_place.rows(JOINED["train"])
    if "alone" in rules:
        assert entry.counters["documents_dropped.no_image_left"] == 1
        assert entry.counters["image_references_dropped.alone"] == 2
    assert [image["status"] for row in joined for image in row["images"] if image] == statuses


def test_a_missing_scorer_is_an_error_before_anything_is_scored() -> None:
    for path in ("no_such_package.scorers.Clip", "pipeline.scorers.no_such_module.Clip"):
        entry = ScorerEntry(class_path=path)
        with pytest.raises(InputError, match=r"scores\.scorers\.mine\.class_path = .*there is no module"):
            check_scorers({"mine": entry})
    check_scorers({"mine": ScorerEntry(class_path="m3w.pipeline.images.clip.ClipSimilarity")})
