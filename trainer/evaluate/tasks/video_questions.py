"""Questions on videos: MSRVTT-QA, MSVD-QA, iVQA, NExT-QA, STAR."""

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
    read_csv,
    read_json,
    read_text,
    unique_keys,
)


class JsonQuestionsSource(Source):
    """`train_qa.json`, `val_qa.json`, `test_qa.json` of MSRVTT-QA and MSVD-QA (Xu et al., 2017)."""

    annotations: str
    videos: str
    video_name: str
    """The file's name from the question's fields: "video{video_id}.mp4" for MSRVTT; with `mapping` also {name}."""
    mapping: str | None = None
    """MSVD's `youtube_mapping.txt`, with lines such as "-4wsuPCjDBc_5_15 vid1"; {name} is the first word."""

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        names = {} if self.mapping is None else _mapping(join_path(root, self.mapping))
        examples = []
        for record in need_list(read_json(path), path):
            video = f"vid{need(record, 'video_id', path)}"
            file = join_path(
                root, self.videos, file_name(self.video_name, {**record, "name": names.get(video, video)}, path)
            )
            fields = {"question": str(need(record, "question", path))}
            key, answer = str(need(record, "id", path)), str(need(record, "answer", path))
            examples.append(_answered(key, Media(path=file), fields, (answer,), columns(record)))
        return unique_keys(examples, path)


class IvqaSource(Source):
    """`train.csv`, `val.csv`, `test.csv` of iVQA (Yang et al., arXiv 2012.00451): five answers for each clip."""

    annotations: str
    videos: str
    video_name: str = "{video_id}.mp4"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for number, record in enumerate(need_list(read_csv(path), path)):
            people = tuple(str(need(record, f"answer{one}", path)) for one in range(1, 6))
            media = _segment(join_path(root, self.videos, file_name(self.video_name, record, path)), record, path)
            fields = {"question": str(need(record, "question", path))}
            key = f"{need(record, 'video_id', path)}_{number}"
            examples.append(_answered(key, media, fields, people, columns(record)))
        return unique_keys(examples, path)


class NextQaSource(Source):
    """`train.csv`, `val.csv`, `test.csv` of NExT-QA (Xiao et al., arXiv 2105.08276), open-ended or multiple choice.

    Multiple choice has columns a0 to a4, and `answer` is the number of the right one.
    """

    annotations: str
    videos: str
    video_name: str = "{video}.mp4"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for record in need_list(read_csv(path), path):
            answer, choices = str(need(record, "answer", path)), _choices(record)
            if choices:
                answer = _chosen(choices, answer, path)
            media = Media(path=join_path(root, self.videos, file_name(self.video_name, record, path)))
            fields = {"question": str(need(record, "question", path))}
            key = f"{need(record, 'video', path)}_{need(record, 'qid', path)}"
            examples.append(_answered(key, media, fields, (answer,), columns(record), choices))
        return unique_keys(examples, path)


class StarSource(Source):
    """`STAR_train.json`, `STAR_val.json` (Wu et al., arXiv 2405.09711): four choices on a segment of a video."""

    annotations: str
    videos: str
    video_name: str = "{video_id}.mp4"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for record in need_list(read_json(path), path):
            choices = tuple(str(need(choice, "choice", path)) for choice in need(record, "choices", path))
            answer = str(need(record, "answer", path))
            if answer not in choices:
                raise InputError(f"{path}: the answer {answer!r} is none of {list(choices)}, so no choice is right")
            media = _segment(join_path(root, self.videos, file_name(self.video_name, record, path)), record, path)
            fields, key = {"question": str(need(record, "question", path))}, str(need(record, "question_id", path))
            extra = {**columns(record), "question_type": key.partition("_")[0]}
            examples.append(_answered(key, media, fields, (answer,), extra, choices))
        return unique_keys(examples, path)


def _mapping(path: str) -> dict[str, str]:
    words = (line.split() for line in read_text(path).splitlines())
    return {number: name for name, number in (pair for pair in words if len(pair) == 2)}


def _segment(file: str, record: dict[str, Any], path: str) -> Media:
    return Media(path=file, start=float(need(record, "start", path)), end=float(need(record, "end", path)))


def _choices(record: dict[str, str]) -> tuple[str, ...]:
    return tuple(record[f"a{at}"] for at in range(5)) if "a0" in record else ()


def _chosen(choices: tuple[str, ...], number: str, path: str) -> str:
    if number.isdigit() and int(number) < len(choices):
        return choices[int(number)]
    raise InputError(f"{path}: the answer {number!r} is not the number of one of {len(choices)} choices")


def _answered(
    key: str,
    media: Media,
    fields: dict[str, str],
    references: tuple[str, ...],
    extra: dict[str, str],
    choices: tuple[str, ...] = (),
) -> Example:
    return Example(
        key=key,
        media=media,
        fields=fields,
        references=references,
        answer=most_frequent(references),
        choices=choices,
        columns=extra,
    )
