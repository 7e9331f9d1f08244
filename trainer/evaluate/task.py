"""A task: which files, which prompt, which metric. One YAML file; those of the paper lie in `tasks/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from m3w.recipes.errors import InputError
from m3w.recipes.loader import parse_yaml, validate
from m3w.recipes.section import Section
from m3w.trainer.evaluate.example import Example
from m3w.trainer.evaluate.scoring import METRICS
from m3w.trainer.evaluate.tasks.captions import KarpathySource, VatexSource, YouCook2Source
from m3w.trainer.evaluate.tasks.classification import CifarSource, FoldersSource
from m3w.trainer.evaluate.tasks.ranked import HatefulMemesSource, RareActSource, VisDialSource
from m3w.trainer.evaluate.tasks.reading import Source
from m3w.trainer.evaluate.tasks.table import TableSource
from m3w.trainer.evaluate.tasks.video_questions import IvqaSource, JsonQuestionsSource, NextQaSource, StarSource
from m3w.trainer.evaluate.tasks.visual_questions import TextVqaSource, VizWizSource, VqaSource

FOLDER = Path(__file__).parent / "tasks"
READERS: dict[str, type[Source]] = {
    "karpathy": KarpathySource,
    "vatex": VatexSource,
    "youcook2": YouCook2Source,
    "vqa": VqaSource,
    "textvqa": TextVqaSource,
    "vizwiz": VizWizSource,
    "json_questions": JsonQuestionsSource,
    "ivqa": IvqaSource,
    "nextqa": NextQaSource,
    "star": StarSource,
    "visdial": VisDialSource,
    "hateful_memes": HatefulMemesSource,
    "rareact": RareActSource,
    "folders": FoldersSource,
    "cifar": CifarSource,
    "table": TableSource,
}


class Task(Section):
    """What is asked and how it is scored."""

    about: str
    """What it is, and what of it the paper scores."""
    reader: str
    """The published format of its files: a key of `READERS`."""
    queries: dict[str, Any] = Field(default_factory=dict)
    supports: dict[str, Any] = Field(default_factory=dict)
    """Files of what is asked, and of what is shown before: fields of the reader's class, below the recipe's `root`."""
    prompt: str
    """What stands between the picture and the answer; {field} is one of the example's."""
    answer: str = " {answer}"
    """How an answer is written behind it."""
    form: Literal["open", "close"]
    """`open`: the answer is generated; `close`: the choices are ranked."""
    metrics: list[str] = Field(min_length=1)
    """Keys of `scoring.METRICS`; the first is the headline."""
    max_new_tokens: int = Field(default=20, ge=1)
    """Of a generated answer."""
    stop: list[str] = Field(default_factory=list)
    """A generated answer ends before the first of these, too, such as "." where captions are one sentence."""

    def examples(self, which: Literal["queries", "supports"], root: str) -> list[Example]:
        """The examples of one set. Raises InputError for files that are missing or not as published."""
        fields = getattr(self, which)
        if not fields:
            raise InputError(
                f"the task has no {which}, so nothing can be asked or shown; name their files under `{which}`"
            )
        return source(self.reader, fields, which).examples(root)


def source(reader: str, fields: Mapping[str, Any], which: str) -> Source:
    """The reader of that name with its fields; InputError names an unknown or missing one."""
    if reader not in READERS:
        raise InputError(f"reader {reader!r} is not known, so no file can be read; take {', '.join(READERS)}")
    return validate(dict(fields), READERS[reader], f"`{which}` of the reader {reader}")


def task_names() -> list[str]:
    """The tasks that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_task(name: str, changes: Mapping[str, Any] | None = None) -> Task:
    """The task of that name, or in the YAML file at that path, with `changes` put over it (dictionaries key by key).

    Raises InputError for a task that is not there or not whole.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise InputError(
            f"task {name!r} is neither one that is known nor a file, so nothing can be asked; take one of "
            f"{', '.join(task_names())}, or the path of a YAML file"
        )
    fields = parse_yaml(path.read_bytes(), f"the task {path}")
    for key, value in (changes or {}).items():
        fields[key] = {**fields.get(key, {}), **value} if isinstance(value, dict) else value
    task = validate(fields, Task, f"the task {path}")
    unknown = [metric for metric in task.metrics if metric not in METRICS]
    if unknown:
        raise InputError(f"metrics {unknown} are not known, so nothing is scored; take {', '.join(METRICS)}")
    return task
