"""Questions on pictures: VQAv2, OK-VQA, TextVQA, VizWiz, VisDial."""

from __future__ import annotations

from typing import Any

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.tasks.source import (
    Example,
    Media,
    Source,
    columns,
    file_name,
    join_path,
    most_frequent,
    need,
    need_list,
    read_json,
    unique_keys,
)


class VqaSource(Source):
    """VQA's files of questions and annotations (Goyal et al., arXiv 1612.00837); OK-VQA has the same format."""

    questions: str
    annotations: str
    images: str
    image_name: str
    """The file's name from the question's fields, such as "COCO_val2014_{image_id:012d}.jpg"."""

    def examples(self, root: str) -> list[Example]:
        path, answers_path = join_path(root, self.questions), join_path(root, self.annotations)
        annotations = need_list(need(read_json(answers_path), "annotations", answers_path), answers_path)
        answers = {need(record, "question_id", answers_path): record for record in annotations}
        examples = []
        for record in need_list(need(read_json(path), "questions", path), path):
            number = need(record, "question_id", path)
            if number not in answers:
                raise InputError(
                    f"question {number} of {path} has no answer in {answers_path}, so it cannot be scored; give the "
                    "annotations of the same split"
                )
            people = [str(need(one, "answer", answers_path)) for one in need(answers[number], "answers", answers_path)]
            file = join_path(root, self.images, file_name(self.image_name, record, path))
            extra = columns(answers[number])
            examples.append(_question(str(number), file, str(need(record, "question", path)), people, extra))
        return unique_keys(examples, path)


class TextVqaSource(Source):
    """`TextVQA_0.5.1_*.json` (Singh et al., arXiv 1904.08920). The prompt leaves out its OCR tokens."""

    annotations: str
    images: str
    image_name: str = "{image_id}.jpg"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for record in need_list(need(read_json(path), "data", path), path):
            file = join_path(root, self.images, file_name(self.image_name, record, path))
            people = [str(answer) for answer in need(record, "answers", path)]
            question = str(need(record, "question", path))
            examples.append(_question(str(need(record, "question_id", path)), file, question, people, columns(record)))
        return unique_keys(examples, path)


class VizWizSource(Source):
    """`train.json`, `val.json` of VizWiz-VQA (Gurari et al., arXiv 1802.08218)."""

    annotations: str
    images: str

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for record in need_list(read_json(path), path):
            image = str(need(record, "image", path))
            people = [str(need(one, "answer", path)) for one in need(record, "answers", path)]
            question = str(need(record, "question", path))
            examples.append(_question(image, join_path(root, self.images, image), question, people, columns(record)))
        return unique_keys(examples, path)


def _question(key: str, file: str, question: str, people: list[str], extra: dict[str, Any]) -> Example:
    return Example(
        key=key,
        media=Media(path=file),
        fields={"question": question},
        references=tuple(people),
        answer=most_frequent(people),
        columns=extra,
    )


class VisDialSource(Source):
    """`visdial_1.0_*.json` (Das et al., arXiv 1611.08669): rank 100 answers, given the caption and the earlier turns.

    With `dense`: only the turns that people rated, with the relevance of each answer. Without: every turn.
    """

    dialogs: str
    dense: str | None = None
    """`visdial_1.0_val_dense_annotations.json`."""
    images: str
    image_name: str = "VisualDialog_val2018_{image_id:012d}.jpg"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.dialogs)
        data = need(read_json(path), "data", path)
        texts = (
            [str(text) for text in need(data, "questions", path)],
            [str(text) for text in need(data, "answers", path)],
        )
        rated = None if self.dense is None else _relevance(join_path(root, self.dense))
        examples = []
        for dialog in need_list(need(data, "dialogs", path), path):
            media = Media(path=join_path(root, self.images, file_name(self.image_name, dialog, path)))
            image, turns = need(dialog, "image_id", path), need(dialog, "dialog", path)
            for turn in range(len(turns)):
                if rated is None or (image, turn + 1) in rated:
                    relevance = () if rated is None else rated[image, turn + 1]
                    examples.append(_turn(dialog, turn, texts, media, relevance, path))
        return unique_keys(need_list(examples, path), path)


def _relevance(path: str) -> dict[tuple[int, int], tuple[float, ...]]:
    """Relevance of the answers by image and turn; turns count from 1."""
    relevance = {}
    for record in need_list(read_json(path), path):
        values = record.get("gt_relevance", record.get("relevance"))
        if values is None:
            need(record, "gt_relevance", path)
        relevance[need(record, "image_id", path), need(record, "round_id", path)] = tuple(map(float, values))
    return relevance


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
