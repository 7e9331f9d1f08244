"""An evaluation of a tiny model on drawn shapes: what is written, what a stop costs, what processes change."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.evaluation import evaluate
from m3w.trainer.evaluate.launch import evaluate as evaluate_in
from m3w.trainer.evaluate.recipe import load_evaluation
from m3w.trainer.evaluate.worker import work
from m3w.trainer.ranks import Ranks

ALONE = Ranks(0, 1, torch.device("cpu"))
Write = Callable[..., Path]


def run(checkpoint: Path, path: Path, done: list[tuple[str, int, int]] | None = None) -> dict[str, Any]:
    def progress(label: str, at: int, total: int) -> None:
        if done is not None and at < total and not label.startswith("features"):
            done.append((label, at, total))

    return evaluate(checkpoint, load_evaluation(str(path)), ALONE, progress)


def lines(output: Path) -> dict[str, dict[str, Any]]:
    """All predictions, by condition and key."""
    records = {}
    for path in sorted(output.glob("predictions/*/*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            records[f"{path.parent.name}/{record['key']}"] = record
    return records


def test_every_prediction_is_written_with_its_prompt(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    results = run(checkpoint, recipe())
    records = lines(tmp_path / "out")
    assert len(records) == 2 * 2 * 12 and results["queries"] == 12 and results["supports"] == 24
    line = records["2-shots-seed-0/q3"]
    assert line["prompt"].count("<image>") == 3 and line["prompt"].endswith(
        "<image>Question: which colour is the circle? Answer:"
    )
    assert len(line["media"]) == 3 and line["media"][-1].endswith("queries-3.png")
    assert line["references"] == ["yellow"] and len(line["scores"]) == 4
    assert line["answer"] == ("red", "green", "blue", "yellow")[max(range(4), key=line["scores"].__getitem__)]
    zero = records["0-shots-seed-0/q3"]["prompt"]
    assert zero.count("<image>") == 1 and zero.count("Answer:") == 3
    accuracy = (
        100
        * sum(records[f"2-shots-seed-0/q{n}"]["answer"] == ("red", "green", "blue", "yellow")[n % 4] for n in range(12))
        / 12
    )
    (of_condition,) = [each for each in results["conditions"] if (each["shots"], each["seed"]) == (2, 0)]
    assert of_condition["metrics"]["accuracy"] == pytest.approx(accuracy)
    assert json.loads((tmp_path / "out/results.json").read_text())["summary"] == results["summary"]


def test_what_is_written_already_is_not_asked_again(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    path = recipe()
    whole = run(checkpoint, path)
    before = lines(tmp_path / "out")
    file = tmp_path / "out/predictions/2-shots-seed-1/00000.jsonl"
    kept = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(kept[:5]) + kept[5][:20])  # as a process that was killed while it wrote leaves it
    done: list[tuple[str, int, int]] = []
    again = run(checkpoint, path, done)
    assert done == [("2 shots, seed 1", 0, 2), ("2 shots, seed 1", 1, 2)]  # of three batches of four, one is whole
    assert lines(tmp_path / "out") == before and again == whole
    more = run(checkpoint, recipe(shots=[0, 2, 4]), done := [])
    assert {label for label, _, _ in done} == {"4 shots, seed 0", "4 shots, seed 1"} and len(more["conditions"]) == 6


def test_predictions_of_something_else_are_not_gone_on_with(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    run(checkpoint, recipe(shots=[0], seeds=[0]))
    with pytest.raises(InputError, match=r"out holds predictions made with choose = 'random', not 'rices'"):
        run(checkpoint, recipe(shots=[0], seeds=[0], choose="rices"))


@pytest.mark.parametrize("torchrun", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_processes_give_what_one_gives(
    checkpoint: Path, recipe: Write, launch: Callable[..., list[int]], tmp_path: Path, torchrun: bool
) -> None:
    path = recipe(choose="rices", features=str(tmp_path / "features"))
    alone = run(checkpoint, path)
    sets = [f"output={tmp_path / 'two'}", f"features={tmp_path / 'features-2'}"]
    if torchrun:
        assert evaluate_in(str(checkpoint), str(path), sets, processes=2)[0] == 0
    else:
        assert launch(2, partial(work, str(checkpoint), str(path), sets)) == [0, 0]
    assert len(list((tmp_path / "two/predictions/2-shots-seed-0").glob("*.jsonl"))) == 2
    assert lines(tmp_path / "two") == lines(tmp_path / "out")
    together = json.loads((tmp_path / "two/results.json").read_text())
    assert together == json.loads(json.dumps(alone))


def test_features_are_computed_once_for_each_picture(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    fields = {"choose": "rices", "features": str(tmp_path / "features"), "shots": [2], "seeds": [0]}
    run(checkpoint, recipe(**fields))
    (folder,) = (tmp_path / "features").iterdir()
    files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    # A picture drawn twice is one: features are kept by content.
    assert 24 <= len(files) <= 36
    run(checkpoint, recipe(**fields, output=str(tmp_path / "other")))
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == files


def test_pictures_that_cannot_be_read_are_counted_and_named(
    checkpoint: Path, recipe: Write, shapes: Path, tmp_path: Path
) -> None:
    root = tmp_path / "broken"
    root.mkdir()
    for path in shapes.iterdir():
        (root / path.name).write_bytes(path.read_bytes())
    (root / "queries-5.png").write_text("no picture")
    (root / "supports-0.png").unlink()
    results = run(checkpoint, recipe(root=str(root), shots=[23], seeds=[0]))
    assert (
        list(results["unreadable_queries"]) == ["q5"]
        and "queries-5.png does not decode" in results["unreadable_queries"]["q5"]
    )
    assert any(name.endswith("supports-0.png") for name in results["unreadable_media"])
    assert results["conditions"][0]["queries"] == 11
    prompt = lines(tmp_path / "out")["23-shots-seed-0/q1"]
    assert len(prompt["media"]) == 24 and not any(name.endswith("supports-0.png") for name in prompt["media"])


def test_with_anothers_picture_no_query_sees_its_own(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    run(checkpoint, recipe(query_image="other", shots=[2], seeds=[0]))
    shown = {
        key.rpartition("/")[2]: line["media"][-1].rpartition("/")[2] for key, line in lines(tmp_path / "out").items()
    }
    assert all(name != f"queries-{key[1:]}.png" for key, name in shown.items())
    assert len(set(shown.values())) == 12 and all(name.startswith("queries-") for name in shown.values())


def test_orders_are_averaged(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    run(checkpoint, recipe(shots=[3], seeds=[0], orders=6))
    run(checkpoint, recipe(shots=[3], seeds=[0], orders=1, output=str(tmp_path / "one")))
    many, one = lines(tmp_path / "out")["3-shots-seed-0/q0"], lines(tmp_path / "one")["3-shots-seed-0/q0"]
    assert (many["orders"], one["orders"]) == (6, 1) and many["prompt"] == one["prompt"]
    assert many["scores"] != pytest.approx(one["scores"], abs=1e-4)


def test_open_answers_are_generated_and_scored(checkpoint: Path, recipe: Write, tmp_path: Path) -> None:
    results = run(
        checkpoint, recipe(form="open", metrics=["exact_match", "cider", "rouge_l"], shots=[2], max_new_tokens=4)
    )
    assert {row["metric"] for row in results["summary"]} == {"exact_match", "cider", "rouge_l"}
    answers = [line["answer"] for line in lines(tmp_path / "out").values()]
    assert any(answers) and not any("<|endofchunk|>" in answer for answer in answers)
    assert all(row["seeds"] == 2 and row["spread"] is not None for row in results["summary"])


def test_scores_are_split_by_a_column_of_the_users(
    checkpoint: Path, recipe: Write, shapes: Path, tmp_path: Path
) -> None:
    split = run(checkpoint, recipe(shots=[0], seeds=[0], split_by={"column": "shape"}))
    assert [row["group"] for row in split["groups"]] == ["circle", "square", "triangle"]
    whole = sum(row["mean"] * row["queries"] for row in split["groups"]) / 12
    assert whole == pytest.approx(split["summary"][0]["mean"])
    (tmp_path / "people.csv").write_text(
        "image,gender\n" + "".join(f"q{n},{'male' if n < 6 else 'female'}\n" for n in range(11))
    )
    table = {"column": "gender", "table": str(tmp_path / "people.csv"), "key": "image"}
    by_table = run(checkpoint, recipe(shots=[0], seeds=[0], split_by=table))
    assert {row["group"]: row["queries"] for row in by_table["groups"]} == {"(none)": 1, "female": 5, "male": 6}
    with pytest.raises(InputError, match="the column 'age', so scores cannot be split"):
        run(checkpoint, recipe(shots=[0], seeds=[0], split_by={"column": "age"}))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"shot": [1]}, r"unknown key shot; known here: .*did you mean shots\?"),
        ({"shots": [-1]}, r"shots \[-1\] are below 0"),
        ({"seeds": [1, 1]}, r"seeds \[1, 1\] repeat a value"),
        ({"form": "open", "orders": 6}, "orders is 6, and generated answers cannot be averaged"),
        ({"root": "nowhere"}, "nowhere/queries.jsonl is not there"),
        ({"queries": {"table": "queries.jsonl"}}, "no choices to rank"),
        ({"metrics": ["roc_auc"]}, "roc_auc needs yes and no"),
    ],
)
def test_recipes_that_cannot_be_followed_are_errors(
    keys: dict[str, Any], message: str, checkpoint: Path, recipe: Write
) -> None:
    with pytest.raises(InputError, match=message):
        run(checkpoint, recipe(**{"shots": [0], "seeds": [0], **keys}))


def test_a_folder_without_a_model_is_named(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no config.json, so there is no model to ask"):
        run(tmp_path, recipe())
