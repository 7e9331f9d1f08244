"""A task: its files, its prompt, its metrics. Each task is a YAML file; `tasks/` holds those of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from m3w.recipes.errors import InputError
from m3w.recipes.loader import parse_yaml, validate
from m3w.recipes.section import Section
from m3w.trainer.evaluate.scoring import METRICS
from m3w.trainer.evaluate.tasks.captions import KarpathySource, VatexSource, YouCook2Source
from m3w.trainer.evaluate.tasks.classification import CifarSource, FoldersSource, HatefulMemesSource, RareActSource
from m3w.trainer.evaluate.tasks.source import Example, Source
from m3w.trainer.evaluate.tasks.table import TableSource
from m3w.trainer.evaluate.tasks.video_questions import IvqaSource, JsonQuestionsSource, NextQaSource, StarSource
from m3w.trainer.evaluate.tasks.visual_questions import TextVqaSource, VisDialSource, VizWizSource, VqaSource

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
    """What a benchmark asks and how it is scored."""

    about: str
    """What the benchmark is, and which split the paper scores."""
    reader: str
    """The format of its files: a key of `READERS`."""
    queries: dict[str, Any] = Field(default_factory=dict)
    supports: dict[str, Any] = Field(default_factory=dict)
    """The files of queries and supports: fields of the reader's class, with paths relative to the recipe's `root`."""
    prompt: str
    """The text between the picture and the answer; {field} is a field of the example."""
    answer: str = " {answer}"
    """How an answer is written after the prompt."""
    form: Literal["open", "close"]
    """`open`: the answer is generated; `close`: the choices are ranked."""
    metrics: list[str] = Field(min_length=1)
    """Keys of `scoring.METRICS`; the first is the headline."""
    max_new_tokens: int = Field(default=20, ge=1)
    """The most tokens of a generated answer."""
    stop: list[str] = Field(default_factory=list)
    """A generated answer ends before the first of these texts, such as "." where captions are one sentence."""

    def examples(self, which: Literal["queries", "supports"], root: str) -> list[Example]:
        """The examples of one set. Raises InputError for files that are missing or differ from the published format."""
        fields = getattr(self, which)
        if not fields:
            raise InputError(f"the task has no {which}, so there is nothing to read; name their files under `{which}`")
        return source(self.reader, fields, which).examples(root)


def source(reader: str, fields: Mapping[str, Any], which: str) -> Source:
    """The reader of that name with its fields. Raises InputError for an unknown reader or a wrong field."""
    if reader not in READERS:
        raise InputError(f"reader {reader!r} is not known, so no file can be read; use one of {', '.join(READERS)}")
    return validate(dict(fields), READERS[reader], f"`{which}` of the reader {reader}")


def task_names() -> list[str]:
    """The names of the tasks that come with m3w."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_task(name: str, changes: Mapping[str, Any] | None = None) -> Task:
    """The task of that name, or in the YAML file at that path, with the fields in `changes` replaced.

    Dictionaries are replaced key by key. Raises InputError for an unknown task or a wrong field.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise InputError(
            f"task {name!r} is neither a task that comes with m3w nor a file; use one of "
            f"{', '.join(task_names())}, or the path of a YAML file"
        )
    fields = parse_yaml(path.read_bytes(), f"the task {path}")
    if isinstance(fields, dict):  # `validate` refuses anything else
        for key, value in (changes or {}).items():
            fields[key] = {**fields.get(key, {}), **value} if isinstance(value, dict) else value
    task = validate(fields, Task, f"the task {path}")
    unknown = [metric for metric in task.metrics if metric not in METRICS]
    if unknown:
        raise InputError(f"metrics {unknown} are not known, so nothing is scored; use {', '.join(METRICS)}")
    return task
