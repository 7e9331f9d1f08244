"""`m3w eval` and `m3w generate` as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from m3w.cli.main import app, exit_status

Write = Callable[..., Path]


def m3w(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, list(words), input=typed)


def test_eval_prints_a_table_and_writes_results(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    path = recipe(shots=[0], split_by={"column": "shape"})
    result = m3w("eval", str(checkpoint), str(path), "--set", "seeds=[0,1]", "--set", f"output={tmp_path / 'set'}")
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "set/results.json").read_text())["summary"]
    assert f"{row['mean']:.2f} ± {row['spread']:.2f}" in result.output and "triangle" in result.output
    assert "0 shots, seed 1: 3 of 3" in result.output


def test_eval_of_unreadable_pictures_is_status_1_and_names_them(
    checkpoint: Path, recipe: Write, shapes: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (shapes / "queries.jsonl").read_text().splitlines()]
    rows[0]["image"] = "gone.png"
    table = tmp_path / "queries.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    choices = ["red", "green", "blue", "yellow"]
    path = recipe(shots=[0], seeds=[0], queries={"table": str(table), "key": "key", "choices": choices})
    result = m3w("eval", str(checkpoint), str(path))
    assert result.exit_code == 1 and "unreadable queries: 1, the first is q0" in result.output


def test_eval_says_in_one_line_what_is_wrong(
    checkpoint: Path, recipe: Write, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert m3w("eval", str(tmp_path), str(recipe())).exit_code == 2
    assert m3w("eval", str(checkpoint), str(tmp_path / "none.yaml")).exit_code == 2
    assert m3w("eval", str(checkpoint), str(recipe(root="/nowhere"))).exit_code == 2


def test_generate_takes_shots_and_says_something_else_with_them(checkpoint: Path, shapes: Path) -> None:
    words = [
        "generate",
        str(checkpoint),
        "--image",
        str(shapes / "queries-0.png"),
        "--text",
        "Output:",
        "--tokens",
        "6",
    ]
    alone = m3w(*words)
    shown = m3w(*words, "--shot", f"{shapes / 'supports-1.png'}=Output: a green square")
    assert alone.exit_code == shown.exit_code == 0, (alone.output, shown.output)
    assert alone.stdout.startswith("Output:") and alone.stdout != shown.stdout


def test_a_conversation_continues_until_quit(checkpoint: Path, shapes: Path) -> None:
    typed = f"which colour?\n/image {shapes / 'queries-1.png'}\n\nand this?\n/image none.png\n/what\n/again\nso?\n/quit\nnever\n"
    result = m3w("generate", str(checkpoint), "--interactive", "--tokens", "4", typed=typed)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and lines[0].startswith("/image PATH")
    assert any("none.png" in line and "give another image" in line for line in lines)
    assert any("/what is not a command" in line for line in lines)
    assert len(lines) == 1 + 3 + 2  # help, three answers, two remarks


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no image is given, so the model has nothing to describe"),
        (("--image", "gone.png"), "gone.png does not exist"),
        (("--image", __file__), "does not decode"),
        (("--image", __file__, "--shot", "x"), "--shot 'x' is not an image with its text"),
    ],
)
def test_wrong_input_of_generate_is_one_line(
    words: tuple[str, ...], message: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = m3w("generate", str(checkpoint), *words)
    assert isinstance(result.exception, Exception) and exit_status(result.exception) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
