"""The command `m3w` as a user runs it, in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("build", "status", "extract", "stats", "view", "train", "eval", "generate", "import-checkpoint", "demo")
PAGE = b"""<html><head><title>Two birds</title></head><body><main><h1>Two birds</h1>
<p>The robin sings from the top of the hedge all winter long, and it sings at night where lamps are lit.</p>
<figure><img src="robin.jpg" alt="A robin" width="400" height="300"><figcaption>A robin in snow</figcaption></figure>
<p>The wren is smaller and louder. It builds several nests each spring, and his mate then chooses one of them.</p>
</main></body></html>"""


def m3w(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "m3w", *words], capture_output=True, text=True, timeout=120, cwd=cwd)


def one_line_and_status_2(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 and "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_help_names_every_command() -> None:
    text = m3w("--help").stdout
    assert all(f"\n  {command} " in text for command in COMMANDS)


def test_help_loads_neither_torch_nor_ray() -> None:
    script = (
        "import m3w.cli.main, sys; sys.exit(any(name in sys.modules for name in ('torch', 'ray', 'pyarrow', 'numpy')))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    result = m3w(command, "--help")
    assert result.returncode == 0 and f"Example: m3w {command}" in result.stdout


def test_extract_prints_one_json_line_per_page(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(PAGE)
    result = m3w("extract", str(tmp_path / "page.html"), "--url", "https://birds.example/two.html")
    (line,) = result.stdout.splitlines()
    document = json.loads(line)
    image = next(image for image in document["images"] if image)
    assert image["url"] == "https://birds.example/robin.jpg" and image["alt"] == "A robin"
    assert document["language"] == "en" and any("wren" in (text or "") for text in document["texts"])


def test_extract_reads_a_warc_file(shared_data: Path) -> None:
    result = m3w("extract", str(shared_data / "warc/with-images-books/books.toscrape.warc"))
    (document,) = map(json.loads, result.stdout.splitlines())
    assert sum(image is not None for image in document["images"]) == 20


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    one_line_and_status_2(m3w("extract", str(tmp_path / "nothing.html")), "nothing.html")
    one_line_and_status_2(m3w("stats", str(tmp_path / "nothing")), "nothing")
    one_line_and_status_2(m3w("status", str(tmp_path / "nothing")), "nothing")
    one_line_and_status_2(m3w("build", str(tmp_path / "nothing.yaml")), "nothing.yaml")
    one_line_and_status_2(m3w("train", str(tmp_path / "nothing.yaml")), "nothing.yaml")


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("crawl: {paths: [x], path: y}", ["unknown key crawl.path"]),
        ("crawl: {paths: [x]}\ndataset: {shard_mib: big}", ["dataset.shard_mib", "'big'"]),
        ("crawl: {paths: [missing.warc]}", ["missing.warc", "names no file"]),
        ("crawl: {paths: [x]}\nrules: {document: {wrods: {min: 3}}}", ["wrods", "words"]),
        ("{", ["not YAML"]),
        ("", ["holds no keys"]),
    ],
)
def test_a_wrong_recipe_is_one_line(recipe: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe)
    one_line_and_status_2(m3w("build", "recipe.yaml", "--run", "run", cwd=tmp_path), *words)
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_version_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "page.warc").write_bytes(b"WARC/1.0")
    (tmp_path / "recipe.yaml").write_text("crawl: {paths: [page.warc]}")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text('{"format": 99}')
    one_line_and_status_2(m3w("build", "recipe.yaml", "--run", "run", cwd=tmp_path), "format 99", "new folder")


def test_a_folder_that_is_not_a_run_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "page.warc").write_bytes(b"WARC/1.0")
    (tmp_path / "recipe.yaml").write_text("crawl: {paths: [page.warc]}")
    one_line_and_status_2(m3w("build", "recipe.yaml", "--run", ".", cwd=tmp_path), "not a run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.warc", "recipe.yaml"]


def test_an_empty_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.warc.gz").write_bytes(b"")
    (tmp_path / "recipe.yaml").write_text("crawl: {paths: [empty.warc.gz]}")
    one_line_and_status_2(m3w("build", "recipe.yaml", "--run", "run", cwd=tmp_path), "empty.warc.gz", "only empty")
    one_line_and_status_2(m3w("extract", "empty.warc.gz", cwd=tmp_path), "empty.warc.gz is empty")


def test_an_openflamingo_checkpoint_is_imported(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "openflamingo/opt_every1"
    backbones = ["--language-model", f"{folder}/language_model", "--vision-encoder", f"{folder}/vision_encoder"]
    words = ["import-checkpoint", "openflamingo", f"{folder}/checkpoint.pt", *backbones, "--out", str(tmp_path / "out")]
    one_line_and_status_2(m3w(*words), "has no tokenizer", "image_token_id")
    result = m3w(*words, "--image-token-id", "511", "--end-of-chunk-token-id", "510")
    assert result.returncode == 0, result.stderr
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["image_token_id"] == 511 and config["activation"] == "gelu"
    one_line_and_status_2(m3w("generate", str(tmp_path / "none"), "--image", "x.png"), "none")
    one_line_and_status_2(m3w("generate", str(tmp_path / "out"), "--image", __file__), "without its processor")


@pytest.mark.ray
def test_an_archive_without_a_page_gives_an_empty_dataset(tmp_path: Path) -> None:
    (tmp_path / "text.warc").write_bytes(b"no record in here")
    (tmp_path / "recipe.yaml").write_text("crawl: {paths: [text.warc]}")
    result = m3w("build", "recipe.yaml", "--run", "run", cwd=tmp_path)
    assert result.returncode == 0 and "0 documents" in result.stdout
    assert "not_a_record" in m3w("status", "run", cwd=tmp_path).stdout
    assert m3w("stats", "run", cwd=tmp_path).returncode == 0


@pytest.mark.ray
def test_a_failed_part_is_status_1_and_named_by_status(tmp_path: Path) -> None:
    (tmp_path / "crawl.paths").write_text("gone.warc.gz\n")
    (tmp_path / "recipe.yaml").write_text("crawl: {paths: [crawl.paths]}\nexecution: {attempts: 1}")
    result = m3w("build", "recipe.yaml", "--run", "run", cwd=tmp_path)
    assert result.returncode == 1 and "m3w: 1 of 1 parts of extract failed" in result.stderr
    assert "Traceback" not in result.stderr
    assert "gone.warc.gz" in m3w("status", "run", cwd=tmp_path).stdout
