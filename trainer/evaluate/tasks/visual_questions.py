"""Questions on pictures with several people's answers: VQAv2, OK-VQA, TextVQA, VizWiz."""

from __future__ import annotations

from typing import Any

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.example import Example, Media
from m3w.trainer.evaluate.tasks.reading import (
    Source,
    columns,
    located,
    most_given,
    named,
    need,
    need_list,
    read_json,
    unique_keys,
)


class VqaSource(Source):
    """VQA's two files, questions and annotations (Goyal et al., arXiv 1612.00837); OK-VQA has the same."""

    questions: str
    annotations: str
    images: str
    image_name: str
    """Of the question's fields, such as "COCO_val2014_{image_id:012d}.jpg"."""

    def examples(self, root: str) -> list[Example]:
        path, answers_path = located(root, self.questions), located(root, self.annotations)
        given = need_list(need(read_json(answers_path), "annotations", answers_path), answers_path)
        answers = {need(record, "question_id", answers_path): record for record in given}
        found = []
        for record in need_list(need(read_json(path), "questions", path), path):
            number = need(record, "question_id", path)
            if number not in answers:
                raise InputError(
                    f"question {number} of {path} has no answer in {answers_path}, so it cannot be scored; give the "
                    "annotations of the same split"
                )
            people = [str(need(one, "answer", answers_path)) for one in need(answers[number], "answers", answers_path)]
            place = located(root, self.images, named(self.image_name, record, path))
            extra = columns(answers[number])
            found.append(_question(str(number), place, str(need(record, "question", path)), people, extra))
        return unique_keys(found, path)


class TextVqaSource(Source):
    """`TextVQA_0.5.1_*.json` (Singh et al., arXiv 1904.08920). Its OCR tokens are not put into the prompt."""

    annotations: str
    images: str
    image_name: str = "{image_id}.jpg"

    def examples(self, root: str) -> list[Example]:
        path = located(root, self.annotations)
        found = []
        for record in need_list(need(read_json(path), "data", path), path):
            place = located(root, self.images, named(self.image_name, record, path))
            people = [str(answer) for answer in need(record, "answers", path)]
            question = str(need(record, "question", path))
            found.append(_question(str(need(record, "question_id", path)), place, question, people, columns(record)))
        return unique_keys(found, path)


class VizWizSource(Source):
    """`train.json`, `val.json` of VizWiz-VQA (Gurari et al., arXiv 1802.08218)."""

    annotations: str
    images: str

    def examples(self, root: str) -> list[Example]:
        path = located(root, self.annotations)
        found = []
        for record in need_list(read_json(path), path):
            image = str(need(record, "image", path))
            people = [str(need(one, "answer", path)) for one in need(record, "answers", path)]
            question = str(need(record, "question", path))
            found.append(_question(image, located(root, self.images, image), question, people, columns(record)))
        return unique_keys(found, path)


def _question(key: str, place: str, question: str, people: list[str], extra: dict[str, Any]) -> Example:
    return Example(
        key=key,
        media=Media(path=place),
        fields={"question": question},
        references=tuple(people),
        answer=most_given(people),
        columns=extra,
    )
