"""The report: one file that loads nothing and runs its own script alone, whatever the dataset holds."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from m3w.pipeline.engine.drops import DROPS, Drop
from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.pipeline.inspect import Curve, Paragraph, Pictures, Section, Table, statistics, write_report
from m3w.pipeline.inspect.presentation import thumbnail
from m3w.pipeline.tables import IMAGE_RESULTS
from m3w.recipes.errors import InputError
from m3w.schemas.table import to_table
from tests.pipeline.inspect.conftest import DOCUMENTS, Page, document, jpeg, missing


def written(run: Path, tmp_path: Path, **options: object) -> str:
    file = tmp_path / "reports" / "report.html"
    write_report(statistics(str(run)), file, **options)  # type: ignore[arg-type]
    return file.read_text()


def test_loads_nothing_and_holds_one_script(hostile_run: Path, tmp_path: Path) -> None:
    html = written(hostile_run, tmp_path)
    page = Page(html)
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "article"}
    allowed |= {"h1", "h2", "h3", "p", "b", "small", "div", "a", "br", "wbr", "pre", "figure", "figcaption", "img"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td", "colgroup", "col", "svg", "rect"}
    allowed |= {"g", "line", "text", "button", "script", "code", "h4", "bdi"}
    assert {tag for tag, _ in page.tags} <= allowed
    assert page.count("style") == page.count("script") == 1
    assert "<script>document.title" not in html
    assert all(source.startswith("data:image/webp;base64,") for source in page.attributes("src"))
    assert all(link.startswith("#part-") for link in page.attributes("href"))
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]


def test_what_attacks_is_shown_as_text(hostile_run: Path, tmp_path: Path) -> None:
    text = Page(written(hostile_run, tmp_path)).text
    assert "<script>document.title=1</script><img src=x onerror=document.title=2>" in text
    assert "\x1b" not in text


def digest(html: str, tag: str) -> str:
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def test_policy_allows_the_one_style_sheet_and_script_and_data_images_alone(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    policy = next(a["content"] for _, a in Page(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; img-src data:; style-src '{digest(html, 'style')}'; "
        f"script-src '{digest(html, 'script')}'; base-uri 'none'; form-action 'none'"
    )


def test_shows_documents_in_page_order_with_their_pictures(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    article = html.partition(">Examples</h2>")[2].split('<article class="document">')[1]
    positions = [article.index(part) for part in ("First", "one two three", "data:image/webp", ">four<")]
    assert positions == sorted(positions)
    page = Page(html)
    assert page.count("article") == 3 + len(["http_404"])
    assert page.count("img") == 3
    assert "Image not in the dataset: http_404" in page.text


def test_fewer_examples_are_even_over_the_shards(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path, examples=1).partition(">Distributions</h2>")[0]
    assert html.count("<article") == 1 and "First" in html
    assert Page(written(run_folder, tmp_path, examples=0)).count("article") == 0


def test_an_image_that_cannot_be_decoded_is_an_error(run_folder: Path, tmp_path: Path) -> None:
    section = Section(title="Captions", items=[Pictures(pictures=[(b"no picture", "a <cat>")])])
    text = Page(written(run_folder, tmp_path, sections=[section])).text
    assert "cannot be shown" in text and "a <cat>" in text


def test_bars_are_as_long_as_the_shares_beside_them(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    row = re.search(r'<tr class="kept"><th scope="row">pages</th>.*?</tr>', html)
    assert row is not None
    assert '<rect width="50.00"' in row[0] and "50.0\N{NO-BREAK SPACE}%" in row[0] and ">6<" in row[0]


def test_recipe_of_the_run_is_in_it_escaped(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    assert "&#39;&lt;de&gt;&#39;" in html
    (run_folder / "recipe.yaml").unlink()
    assert ">Recipe</h2>" not in written(run_folder, tmp_path)


def test_columns_of_a_histogram_have_the_height_and_label_of_their_shares(run_folder: Path, tmp_path: Path) -> None:
    """Words 4, 2, 1 of three documents: all in the first bin, so its column goes up to the line of 100 %."""
    html = written(run_folder, tmp_path).partition("<h3>Words per document</h3>")[2].partition("</svg>")[0]
    (words,) = re.findall('data-tip="(.*?)"', html)
    assert words == "0–9 words: 3 (100.0 %)"
    (column,) = re.findall('class="column" x=".*?" y="(.*?)" width=".*?" height="(.*?)"', html)
    top = re.findall('<line class="grid" .*? y1="(.*?)"', html)[-1]
    assert column[0] == top == "16.0"


def test_every_reason_of_a_drop_is_a_row_with_what_took_it(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    rows = re.findall("<tr><td>(.*?)</td><td.*?>(.*?)</td><td.*?>(.*?)</td><td>(.*?)</td><td>(.*?)</td>", html)
    assert ("language", "1", "20", "rule", "documents within the rules") in rows
    assert ("http_404", "1", "20", "fetch", "images fetched") in rows


def test_drops_are_shown_with_the_threshold_that_took_them(run_folder: Path, tmp_path: Path) -> None:
    drop = Drop(
        kind="document",
        reason="short<i>",
        signal="words",
        value=12,
        min=50,
        document_id="0" * 32,
        url="http://a.example/short",
        text="hello <b>there</b>",
    )
    path = run_folder / "drops/filter/part.parquet"
    path.parent.mkdir(parents=True)
    rows = [replace(drop, document_id=f"{number:032x}").row() for number in range(5)]
    pq.write_table(to_table(rows, DROPS.schema), path)
    html = written(run_folder, tmp_path)
    assert html.count("words = 12, allowed at least 50") == 3
    assert "hello &lt;b&gt;there&lt;/b&gt;" in html and "<code>short&lt;i&gt;</code>" in html


@pytest.mark.parametrize(("reason", "shown"), [("too_small", 1), ("opted_out", 0), ("forbidden", 0)])
def test_images_that_were_fetched_and_dropped_are_shown_unless_somebody_refused(
    write_dataset: Callable[..., Path], tmp_path: Path, reason: str, shown: int
) -> None:
    run_folder = write_dataset([document("http://a.example/1", ["one", missing(reason)])])
    content = jpeg(40, 30)
    (run_folder / "images/store").mkdir(parents=True)
    (run_folder / "images/store/a.tar").write_bytes(b"head" + content)
    row = dict.fromkeys(IMAGE_RESULTS.schema.names) | {"url": "http://a.example/gone.jpg", "status": "ok"}
    row["location"] = {"path": "images/store/a.tar", "offset": 4, "size": len(content)}
    (run_folder / "images/results").mkdir()
    pq.write_table(to_table([row], IMAGE_RESULTS.schema), run_folder / "images/results/part.parquet")
    drops = written(run_folder, tmp_path).partition(">Examples of drops</h2>")[2]
    assert drops.count('<img src="data:image/webp;base64,') == shown and reason in drops


def test_copies_are_shown_by_the_kind_of_copy(run_folder: Path, tmp_path: Path) -> None:
    kept = run_folder / "documents/kept/part.parquet"
    kept.parent.mkdir(parents=True)
    pq.write_table(to_table([each.row() for each in DOCUMENTS], DOCUMENT_SCHEMA), kept)
    copies = run_folder / "duplicates/copies/part.parquet"
    copies.parent.mkdir(parents=True)
    pq.write_table(pa.table({"row": [1], "reason": ["same_text"]}), copies)
    drops = written(run_folder, tmp_path).partition(">Examples of drops</h2>")[2]
    assert "same_text" in drops and "http://A.example:80/2" in drops and "five six" in drops


def test_sections_of_the_caller_are_added(run_folder: Path, tmp_path: Path) -> None:
    items = [
        Paragraph(text="2 < 3"),
        Table(header=("images", "loss"), rows=[("right", 0.51234), ("shuffled", 1234)]),
        Curve(title="Loss", x_label="step", y_label="nats", lines={"train": [(0, 4.0), (10, 2.0)]}),
    ]
    html = written(run_folder, tmp_path, sections=[Section(title="Training", items=items)])
    text = Page(html).text
    assert "2 < 3" in text and "0.5123" in text and "1,234" in text
    assert html.index(">Distributions</h2>") < html.index(">Training</h2>") < html.index(">Recipe</h2>")
    assert html.count("<polyline") == 1 and "train" in text


@pytest.mark.parametrize(
    "points", [[], [(1, float("nan"))], [(1, 2.0)], [(0, 5.0), (1, 5.0)], [(n, 1e-9 * n) for n in range(5000)]]
)
def test_any_curve_can_be_drawn(run_folder: Path, tmp_path: Path, points: list[tuple[float, float]]) -> None:
    curve = Curve(title="Loss", x_label="step", y_label="nats", lines={"train": points})
    html = written(run_folder, tmp_path, examples=0, sections=[Section(title="Training", items=[curve])])
    for line in re.findall('points="(.*?)"', html):
        drawn = [tuple(map(float, point.split(","))) for point in line.split()]
        assert len(drawn) <= 260
        assert all(0 <= x <= 540 and 0 <= y <= 280 for x, y in drawn)


def test_same_dataset_gives_the_same_bytes(run_folder: Path, tmp_path: Path) -> None:
    assert written(run_folder, tmp_path) == written(run_folder, tmp_path)


def test_a_file_that_cannot_be_written_is_one_line(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(statistics(str(run_folder)), tmp_path / "file" / "report.html")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_pictures_of_every_stored_format_have_a_thumbnail(form: str) -> None:
    file = io.BytesIO()
    Image.new("P", (600, 300)).convert("P" if form in ("PNG", "GIF") else "RGB").save(file, form)
    small = thumbnail(file.getvalue(), 100)
    assert small is not None and Image.open(io.BytesIO(small)).size == (100, 50)
