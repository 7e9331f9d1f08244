"""The documents hold: the page of commands is the commands, the site has no dead link, the notebook runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from m3w.cli.reference import reference, stages

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_of_commands_is_made_from_the_commands() -> None:
    written = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m m3w.cli.reference > docs/commands.md"


def test_the_table_of_stages_is_printed_from_the_declarations() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("<!-- stages -->\n")[2].partition("<!-- /stages -->")[0]
    assert table == stages(), "run: python -m m3w.cli.reference stages"


def test_the_files_that_the_architecture_names_are_there() -> None:
    room, missing = "", []
    for name in re.findall(
        r"`((?:[a-z_]+/)*[a-z_]+\.py)`", (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    ):
        room = name.rpartition("/")[0] or room  # a bare name is of the room named before it
        if not (ROOT / room / name.rpartition("/")[2]).is_file():
            missing.append(name)
    assert not missing


def test_the_site_builds_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "site/index.html").read_text()
    assert "https://fonts." not in page


def test_every_page_is_in_the_sites_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in navigation]
    assert not missing


@pytest.mark.ray
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "docs/quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not kept: clear them"
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in printed)
    assert "[https://birds.example/robin.jpg | A robin | A robin in snow]" in text and "Contact" not in text
    assert any("image/png" in output.get("data", {}) for output in printed)
