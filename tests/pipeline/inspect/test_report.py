"""The report: one file that loads nothing, whatever the dataset holds."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.inspect import Curve, Paragraph, Pictures, Section, Table, statistics, write_report


class Page(HTMLParser):
    """Tags and their attributes, as a browser would see them."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.tags for key, value in attributes.items() if key == name]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def written(run: Path, tmp_path: Path, **options: object) -> str:
    file = tmp_path / "reports" / "report.html"
    write_report(statistics(str(run)), file, **options)  # type: ignore[arg-type]
    return file.read_text()


def test_loads_and_runs_nothing(hostile_run: Path, tmp_path: Path) -> None:
    html = written(hostile_run, tmp_path)
    page = Page(html)
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "article"}
    allowed |= {"h1", "h2", "h3", "p", "b", "small", "div", "a", "br", "wbr", "pre", "figure", "figcaption", "img"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td", "colgroup", "col", "svg", "rect"}
    assert {tag for tag, _ in page.tags} <= allowed
    assert page.count("style") == 1
    assert all(source.startswith("data:image/webp;base64,") for source in page.attributes("src"))
    assert all(link.startswith("#part-") for link in page.attributes("href"))
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]


def test_what_attacks_is_shown_as_text(hostile_run: Path, tmp_path: Path) -> None:
    text = Page(written(hostile_run, tmp_path)).text
    assert "<script>document.title=1</script><img src=x onerror=document.title=2>" in text
    assert "\x1b" not in text


def test_policy_allows_the_one_style_sheet_and_data_images_alone(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(a["content"] for _, a in Page(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_shows_documents_in_page_order_with_their_pictures(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    article = html.split("<article>")[1]
    places = [article.index(part) for part in ("First", "one two three", "data:image/webp", ">four<")]
    assert places == sorted(places)
    page = Page(html)
    assert page.count("article") == 3
    assert page.count("img") == 3
    assert "image not in the dataset: http_404" in page.text


def test_fewer_examples_are_even_over_the_shard(run_folder: Path, tmp_path: Path) -> None:
    page = Page(written(run_folder, tmp_path, examples=1))
    assert page.count("article") == 1
    assert Page(written(run_folder, tmp_path, examples=0)).count("article") == 0


def test_a_picture_that_cannot_be_decoded_is_said(run_folder: Path, tmp_path: Path) -> None:
    section = Section(title="Captions", items=[Pictures(pictures=[(b"no picture", "a <cat>")])])
    text = Page(written(run_folder, tmp_path, sections=[section])).text
    assert "cannot be shown" in text and "a <cat>" in text


def test_bars_are_as_long_as_the_shares_beside_them(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    row = re.search(r'<tr class="kept"><th scope="row">pages</th>.*?</tr>', html)
    assert row is not None
    assert '<rect width="50.00"' in row[0] and "50.0&nbsp;%" in row[0] and ">6<" in row[0]


def test_recipe_of_the_run_is_in_it_escaped(run_folder: Path, tmp_path: Path) -> None:
    html = written(run_folder, tmp_path)
    assert "&#x27;&lt;de&gt;&#x27;" in html
    (run_folder / "recipe.yaml").unlink()
    assert "Recipe" not in Page(written(run_folder, tmp_path)).text


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
        places = [tuple(map(float, point.split(","))) for point in line.split()]
        assert len(places) <= 260
        assert all(0 <= x <= 540 and 0 <= y <= 280 for x, y in places)


def test_same_dataset_gives_the_same_bytes(run_folder: Path, tmp_path: Path) -> None:
    assert written(run_folder, tmp_path) == written(run_folder, tmp_path)


def test_a_file_that_cannot_be_written_is_one_line(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(statistics(str(run_folder)), tmp_path / "file" / "report.html")


@pytest.mark.browser
def test_a_browser_runs_nothing_of_a_hostile_document(hostile_run: Path, tmp_path: Path) -> None:
    """Each attack would change the page's title."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    written(hostile_run, tmp_path)
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}/profile"]
    page = (tmp_path / "reports" / "report.html").as_uri()
    seen = subprocess.run([chromium, *quiet, "--dump-dom", page], capture_output=True, text=True, timeout=60)
    assert "<title>hostile: m3w report</title>" in seen.stdout
