"""Tasks whose answers are ranked: VisDial, HatefulMemes, RareAct."""

from __future__ import annotations

from typing import Any

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.example import Example, Media
from m3w.trainer.evaluate.tasks.reading import (
    Source,
    columns,
    located,
    named,
    need,
    need_list,
    read_csv,
    read_json,
    read_json_lines,
    unique_keys,
)


class VisDialSource(Source):
    """`visdial_1.0_*.json` (Das et al., arXiv 1611.08669): 100 answers to rank, after caption and earlier turns.

    With `dense`, only the turns that people rated, each answer with its relevance; without, every turn.
    """

    dialogs: str
    dense: str | None = None
    """`visdial_1.0_val_dense_annotations.json`."""
    images: str
    image_name: str = "VisualDialog_val2018_{image_id:012d}.jpg"

    def examples(self, root: str) -> list[Example]:
        path = located(root, self.dialogs)
        data = need(read_json(path), "data", path)
        texts = (
            [str(text) for text in need(data, "questions", path)],
            [str(text) for text in need(data, "answers", path)],
        )
        rated = None if self.dense is None else _relevance(located(root, self.dense))
        found = []
        for dialog in need_list(need(data, "dialogs", path), path):
            media = Media(path=located(root, self.images, named(self.image_name, dialog, path)))
            image, turns = need(dialog, "image_id", path), need(dialog, "dialog", path)
            for turn in range(len(turns)):
                if rated is None or (image, turn + 1) in rated:
                    relevance = () if rated is None else rated[image, turn + 1]
                    found.append(_turn(dialog, turn, texts, media, relevance, path))
        return unique_keys(need_list(found, path), path)


def _relevance(path: str) -> dict[tuple[int, int], tuple[float, ...]]:
    """By image and turn, counted from 1."""
    found = {}
    for record in need_list(read_json(path), path):
        values = record.get("gt_relevance", record.get("relevance"))
        if values is None:
            need(record, "gt_relevance", path)
        found[need(record, "image_id", path), need(record, "round_id", path)] = tuple(map(float, values))
    return found


def _turn(
    dialog: dict[str, Any],
    turn: int,
    texts: tuple[list[str], list[str]],
    media: Media,
    relevance: tuple[float, ...],
    path: str,
) -> Example:
    questions, answers = texts
    turns = dialog["dialog"]
    history = [f"Caption: {need(dialog, 'caption', path)}."]
    for earlier in turns[:turn]:
        question, answer = questions[need(earlier, "question", path)], answers[need(earlier, "answer", path)]
        history.append(f"Question: {question}? Answer: {answer}.")
    choices = tuple(answers[number] for number in need(turns[turn], "answer_options", path))
    right = choices[need(turns[turn], "gt_index", path)]
    return Example(
        key=f"{dialog['image_id']}_{turn + 1}",
        media=media,
        fields={"history": " ".join(history), "question": f"{questions[need(turns[turn], 'question', path)]}?"},
        references=(right,),
        answer=right,
        choices=choices,
        relevance=relevance,
        columns=columns(dialog),
    )


class HatefulMemesSource(Source):
    """`train.jsonl`, `dev_seen.jsonl`, `test_seen.jsonl` (Kiela et al., arXiv 2005.04790): hateful or not."""

    annotations: str
    images: str = "."

    def examples(self, root: str) -> list[Example]:
        path = located(root, self.annotations)
        found = []
        for record in need_list(read_json_lines(path), path):
            label = need(record, "label", path)
            if label not in (0, 1):
                raise InputError(f"{path}: the label {label!r} is neither 0 nor 1, so nothing says what is right")
            answer = ("no", "yes")[label]
            found.append(
                Example(
                    key=str(need(record, "id", path)),
                    media=Media(path=located(root, self.images, str(need(record, "img", path)))),
                    fields={"text": str(need(record, "text", path))},
                    references=(answer,),
                    answer=answer,
                    choices=("no", "yes"),
                    columns=columns(record),
                )
            )
        return unique_keys(found, path)


class RareActSource(Source):
    """`rareact.csv` (Miech et al., arXiv 2008.01018): clips of unusual actions, each verb and noun a class to rank."""

    annotations: str
    videos: str
    video_name: str = "{video_id}.mp4"

    def examples(self, root: str) -> list[Example]:
        path = located(root, self.annotations)
        records = need_list(read_csv(path), path)
        actions = [f"{need(record, 'verb', path)} {need(record, 'noun', path)}" for record in records]
        classes = tuple(dict.fromkeys(actions))
        found = []
        for record, action in zip(records, actions, strict=True):
            need(record, "annotation", path)
            place = located(root, self.videos, named(self.video_name, record, path))
            media = Media(path=place, start=float(need(record, "start", path)), end=float(need(record, "end", path)))
            key = str(need(record, "id", path))
            references = (action,)
            found.append(
                Example(
                    key=key,
                    media=media,
                    fields={},
                    references=references,
                    answer=action,
                    choices=classes,
                    columns=columns(record),
                )
            )
        return unique_keys(found, path)
