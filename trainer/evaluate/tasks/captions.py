"""Captions: COCO and Flickr30K (Karpathy's files), VATEX, YouCook2."""

from __future__ import annotations

from pydantic import Field

from m3w.trainer.evaluate.tasks.source import (
    Example,
    Media,
    Source,
    columns,
    join_path,
    need,
    need_list,
    read_json,
    unique_keys,
)


class KarpathySource(Source):
    """`dataset_coco.json`, `dataset_flickr30k.json` (Karpathy and Fei-Fei, arXiv 1412.2306)."""

    annotations: str
    images: str
    split: list[str] = Field(min_length=1)
    """`train`, `restval`, `val`, `test`; the paper scores COCO and Flickr30K on `test`."""

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for record in need_list(need(read_json(path), "images", path), path):
            if need(record, "split", path) not in self.split:
                continue
            captions = tuple(str(need(sentence, "raw", path)).strip() for sentence in need(record, "sentences", path))
            name = str(need(record, "filename", path))
            file = join_path(root, self.images, str(record.get("filepath", "")), name)
            key = str(record.get("cocoid", record.get("imgid", name)))
            examples.append(_caption(key, Media(path=file), captions, columns(record)))
        return unique_keys(need_list(examples, f"{path} (split {', '.join(self.split)})"), path)


class VatexSource(Source):
    """`vatex_*_v1.0.json` (Wang et al., arXiv 1904.03493): ten English captions a clip."""

    annotations: str
    videos: str
    video_name: str = "{videoID}.mp4"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for record in need_list(read_json(path), path):
            key = str(need(record, "videoID", path))
            captions = tuple(map(str, need(record, "enCap", path)))
            file = join_path(root, self.videos, self.video_name.format(videoID=key))
            examples.append(_caption(key, Media(path=file), captions, columns(record)))
        return unique_keys(examples, path)


class YouCook2Source(Source):
    """`youcookii_annotations_trainval.json` (Zhou et al., arXiv 1703.09788): a sentence for each segment of a video."""

    annotations: str
    videos: str
    subset: str
    """`training` or `validation`; the paper scores `validation`."""
    video_name: str = "{video}.mp4"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for video, record in need(read_json(path), "database", path).items():
            if need(record, "subset", path) != self.subset:
                continue
            file = join_path(root, self.videos, self.video_name.format(video=video))
            for segment in need(record, "annotations", path):
                start, end = need(segment, "segment", path)
                media = Media(path=file, start=float(start), end=float(end))
                sentence = str(need(segment, "sentence", path))
                examples.append(_caption(f"{video}_{need(segment, 'id', path)}", media, (sentence,), columns(record)))
        return unique_keys(need_list(examples, f"{path} (subset {self.subset})"), path)


def _caption(key: str, media: Media, captions: tuple[str, ...], extra: dict[str, str]) -> Example:
    return Example(key=key, media=media, fields={}, references=captions, answer=captions[0], columns=extra)
