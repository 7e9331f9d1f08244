"""Each of the paper's benchmarks is read in its published format: a few rows of own content in that format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.media import read_frames
from m3w.trainer.evaluate.task import load_task, task_names
from m3w.trainer.evaluate.tasks.source import Example

PEOPLE = [
    {"answer": word, "answer_confidence": "yes", "answer_id": n + 1}
    for n, word in enumerate(["red"] * 7 + ["pink"] * 3)
]


def written(folder: Path, files: dict[str, Any]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(folder)


def karpathy(folder: str) -> dict[str, Any]:
    def image(number: int, split: str) -> dict[str, Any]:
        sentences = [{"raw": f"A dog number {number}.", "tokens": ["a"]}, {"raw": "A dog.", "tokens": ["a"]}]
        return {
            "filepath": folder,
            "filename": f"{number}.jpg",
            "cocoid": number,
            "split": split,
            "sentences": sentences,
        }

    return {"images": [image(1, "train"), image(2, "test"), image(3, "restval")], "dataset": "coco"}


def vqa(year: str, number: int) -> dict[str, Any]:
    question = {"image_id": 42, "question": "What colour is it?", "question_id": number}
    annotation = {
        "question_id": number,
        "image_id": 42,
        "answers": PEOPLE,
        "multiple_choice_answer": "red",
        "answer_type": "other",
    }
    return {f"{year}_questions": {"questions": [question]}, f"{year}_annotations": {"annotations": [annotation]}}


def visdial(image: int) -> dict[str, Any]:
    turns = [
        {"question": 0, "answer": 1, "answer_options": [1, 0, 2], "gt_index": 0},
        {"question": 1, "answer": 2, "answer_options": [0, 2, 1], "gt_index": 1},
    ]
    dialogs = [{"image_id": image, "caption": "a cat on a mat", "dialog": turns}]
    texts = {"questions": ["is it black", "is it asleep"], "answers": ["no", "yes", "maybe"]}
    return {"version": "1.0", "split": "val", "data": {**texts, "dialogs": dialogs}}


STAR = [
    {
        "question_id": "Interaction_T1_0",
        "question": "What was opened?",
        "video_id": "6H78U",
        "start": 11.1,
        "end": 19.6,
        "answer": "The door.",
        "choices": [
            {"choice_id": n, "choice": word}
            for n, word in enumerate(["The door.", "The box.", "The bag.", "The book."])
        ],
    }
]
MSVD = [{"answer": "man", "id": 7, "question": "who walks?", "video_id": 1}]
MSRVTT = [{"answer": "cat", "category_id": 1, "id": 9, "question": "what jumps?", "video_id": 7010}]
VATEX = [{"videoID": "abc_000122_000132", "enCap": ["A man sings.", "He sings."], "chCap": ["-"]}]
YOUCOOK = {
    "database": {
        "v1": {"subset": "training", "annotations": [{"segment": [1, 5], "id": 0, "sentence": "cut the onion"}]},
        "v2": {"subset": "validation", "annotations": [{"segment": [9, 30], "id": 3, "sentence": "fry it"}]},
    }
}
TEXTVQA = {
    "data": [{"question_id": 5, "image_id": "f0", "question": "what is written?", "answers": ["stop"] * 9 + ["go"]}]
}
VIZWIZ = [{"image": "V_1.jpg", "question": "What is this?", "answers": PEOPLE, "answerable": 1, "answer_type": "other"}]
MEMES = '{"id": 42953, "img": "img/42953.png", "label": 1, "text": "a \\"text\\""}\n{"id": 2, "img": "img/2.png", "label": 0, "text": "t"}\n'
IVQA = (
    "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5\nv,10,20,what is worn?,hat,cap,hat,wig,hat\n"
)
NEXT = "video,frame_count,width,height,question,answer,qid,type\n4924,1058,640,360,is it old,no,4,DB\n"
NEXT_CHOICES = "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n4924,1,6,3,why,2,4,CW,sit,run,play,eat,go\n"
RAREACT = (
    "id,video_id,start,end,class_id,verb,noun,annotation\n0,7f,50,60,0,shake,tomato,1\n1,TL,20,30,1,close,blender,4\n"
)

FILES: dict[str, dict[str, Any]] = {
    "coco": {"dataset_coco.json": karpathy("val2014")},
    "flickr30k": {"dataset_flickr30k.json": karpathy("")},
    "vqav2": {
        **{
            f"v2_OpenEnded_mscoco_{split}2014_questions.json": vqa("a", n)["a_questions"]
            for n, split in ((1, "val"), (2, "train"))
        },
        **{
            f"v2_mscoco_{split}2014_annotations.json": vqa("a", n)["a_annotations"]
            for n, split in ((1, "val"), (2, "train"))
        },
    },
    "okvqa": {
        **{
            f"OpenEnded_mscoco_{split}2014_questions.json": vqa("a", n)["a_questions"]
            for n, split in ((1, "val"), (2, "train"))
        },
        **{
            f"mscoco_{split}2014_annotations.json": vqa("a", n)["a_annotations"]
            for n, split in ((1, "val"), (2, "train"))
        },
    },
    "textvqa": {"TextVQA_0.5.1_val.json": TEXTVQA, "TextVQA_0.5.1_train.json": TEXTVQA},
    "vizwiz": {"Annotations/val.json": VIZWIZ, "Annotations/train.json": VIZWIZ},
    "visdial": {
        "visdial_1.0_val.json": visdial(185565),
        "visdial_1.0_train.json": visdial(378461),
        "visdial_1.0_val_dense_annotations.json": [{"image_id": 185565, "round_id": 2, "gt_relevance": [0, 1, 0.4]}],
    },
    "hateful_memes": {"test_seen.jsonl": MEMES, "train.jsonl": MEMES},
    "msrvttqa": {"test_qa.json": MSRVTT, "train_qa.json": MSRVTT},
    "msvdqa": {"test_qa.json": MSVD, "train_qa.json": MSVD, "youtube_mapping.txt": "-4ws_5_15 vid1\nx vid2\n"},
    "vatex": {"vatex_validation_v1.0.json": VATEX, "vatex_training_v1.0.json": VATEX},
    "youcook2": {"youcookii_annotations_trainval.json": YOUCOOK},
    "ivqa": {"test.csv": IVQA, "train.csv": IVQA},
    "star": {"STAR_val.json": STAR, "STAR_train.json": STAR},
    "nextqa": {"test.csv": NEXT, "train.csv": NEXT},
    "rareact": {"rareact.csv": RAREACT},
}

FIRST_QUERY: dict[str, tuple[str, str, str, int]] = {
    # key, media below the root, prompt, references
    "coco": ("2", "./val2014/2.jpg", "Output:", 2),
    "flickr30k": ("2", "flickr30k_images/2.jpg", "Output:", 2),
    "vqav2": ("1", "val2014/COCO_val2014_000000000042.jpg", "Question: What colour is it? Answer:", 10),
    "okvqa": ("1", "val2014/COCO_val2014_000000000042.jpg", "Question: What colour is it? Answer:", 10),
    "textvqa": ("5", "train_images/f0.jpg", "Question: what is written? Answer:", 10),
    "vizwiz": ("V_1.jpg", "val/V_1.jpg", "Question: What is this? Answer:", 10),
    "visdial": (
        "185565_2",
        "VisualDialog_val2018/VisualDialog_val2018_000000185565.jpg",
        "Caption: a cat on a mat. Question: is it black? Answer: yes. Question: is it asleep? Answer:",
        1,
    ),
    "hateful_memes": (
        "42953",
        "./img/42953.png",
        'is an image with: "a "text"" written on it. Is it hateful? Answer:',
        1,
    ),
    "msrvttqa": ("9", "videos/video7010.mp4", "Question: what jumps? Answer:", 1),
    "msvdqa": ("7", "videos/-4ws_5_15.avi", "Question: who walks? Answer:", 1),
    "vatex": ("abc_000122_000132", "videos/abc_000122_000132.mp4", "Output:", 2),
    "youcook2": ("v2_3", "videos/v2.mp4", "Output:", 1),
    "ivqa": ("v_0", "videos/v.mp4", "Question: what is worn? Answer:", 5),
    "star": ("Interaction_T1_0", "Charades_v1_480/6H78U.mp4", "Question: What was opened? Answer:", 1),
    "nextqa": ("4924_4", "videos/4924.mp4", "Question: is it old Answer:", 1),
    "rareact": ("0", "videos/7f.mp4", "Output:", 1),
}


def test_all_sixteen_are_there() -> None:
    assert len(FILES) == 16 and set(FILES) < set(task_names())


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_benchmark_is_read_in_its_published_format(name: str, tmp_path: Path) -> None:
    root, task = written(tmp_path, FILES[name]), load_task(name)
    queries, supports = task.examples("queries", root), task.examples("supports", root)
    key, path, prompt, references = FIRST_QUERY[name]
    first = queries[0]
    assert (first.key, first.media.path) == (key, f"{root}/{path}")
    assert task.prompt.format(**first.fields) == prompt
    assert len(first.references) == references and first.answer in first.references
    assert (task.form == "close") == bool(first.choices)
    assert supports and all(support.answer for support in supports)


def of(name: str, folder: Path, which: Any = "queries") -> list[Example]:
    return load_task(name).examples(which, written(folder, FILES[name]))


def test_splits_and_segments_are_kept(tmp_path: Path) -> None:
    assert [example.key for example in of("coco", tmp_path / "c", "supports")] == ["1", "3"]
    (segment,) = of("youcook2", tmp_path / "y")
    assert (segment.media.start, segment.media.end) == (9.0, 30.0)
    (clip,) = of("star", tmp_path / "s")
    assert (clip.media.start, clip.media.end, clip.columns["question_type"]) == (11.1, 19.6, "Interaction")


def test_visdial_ranks_the_turns_that_people_rated(tmp_path: Path) -> None:
    (turn,) = of("visdial", tmp_path)
    assert turn.choices == ("no", "maybe", "yes") and turn.relevance == (0, 1, 0.4) and turn.answer == "maybe"
    assert len(of("visdial", tmp_path, "supports")) == 2


def test_nextqa_with_choices_is_read_as_multiple_choice(tmp_path: Path) -> None:
    task = load_task("nextqa", {"form": "close", "metrics": ["accuracy"]})
    (example,) = task.examples("queries", written(tmp_path, {"test.csv": NEXT_CHOICES}))
    assert example.answer == "play" and example.choices == ("sit", "run", "play", "eat", "go")


def test_rareact_ranks_all_its_actions(tmp_path: Path) -> None:
    assert [example.choices for example in of("rareact", tmp_path)] == [("shake tomato", "close blender")] * 2


def test_imagenet_names_its_folders(tmp_path: Path, make_png: Callable[..., bytes]) -> None:
    folders = {f"val/n0144{n}/{n}.JPEG": make_png() for n in (0, 1)}
    root = written(
        tmp_path, {**folders, "LOC_synset_mapping.txt": "n01440 tench, Tinca tinca\nn01441 goldfish, Carassius\n"}
    )
    queries = load_task("imagenet").examples("queries", root)
    assert [example.answer for example in queries] == ["tench", "goldfish"]
    assert queries[0].choices == ("tench", "goldfish") and queries[1].key == "n01441/1.JPEG"


def test_cifar_10_is_read_from_its_binary_version(tmp_path: Path) -> None:
    red = bytes([1]) + bytes([255] * 1024 + [0] * 2048)
    green = bytes([0]) + bytes([0] * 1024 + [255] * 1024 + [0] * 1024)
    root = written(tmp_path, {"test_batch.bin": red + green, "batches.meta.txt": "airplane\nautomobile\n\n"})
    queries = load_task("cifar10").examples("queries", root)
    assert [example.answer for example in queries] == ["automobile", "airplane"]
    (second,) = read_frames(queries[1].media, size=32, frames=1)
    assert second.getpixel((3, 3)) == (0, 255, 0)
    written(tmp_path, {"test_batch.bin": red[:-1]})
    with pytest.raises(InputError, match="3072 bytes, no multiple of 3073"):
        load_task("cifar10").examples("queries", root)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_of_ones_own_in_three_formats(suffix: str, tmp_path: Path, make_png: Callable[..., bytes]) -> None:
    rows: list[dict[str, Any]] = [
        {"photo": "a.png", "question": "colour?", "said": "red|crimson", "site": "x"},
        {"photo": "b.png", "question": "shape?", "said": "square", "site": "y"},
    ]
    path = tmp_path / f"mine.{suffix}"
    if suffix == "csv":
        path.write_text("photo,question,said,site\n" + "".join(",".join(row.values()) + "\n" for row in rows))
    elif suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(
            pa.Table.from_pylist([{**row, "photo": {"bytes": make_png(), "path": None}} for row in rows]), path
        )
    fields = {"table": path.name, "image": "photo", "answers": "said", "choices": ["red", "square"]}
    one, two = load_task("table", {"queries": fields, "form": "close"}).examples("queries", str(tmp_path))
    assert one.references == ("red", "crimson") and two.fields["question"] == "shape?"
    assert two.columns["site"] == "y" and one.choices == ("red", "square") and (one.key, two.key) == ("0", "1")
    if suffix == "parquet":
        assert read_frames(one.media, size=16, frames=1)[0].size == (16, 16)
    else:
        assert one.media.path == f"{tmp_path}/./a.png"


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("coco", {}, "dataset_coco.json is not there, so the task has no examples; set `root`"),
        ("coco", {"dataset_coco.json": "{"}, "is not JSON"),
        ("coco", {"dataset_coco.json": {"images": [{"split": "test", "filename": "1"}]}}, "without 'sentences'"),
        ("coco", {"dataset_coco.json": {"images": []}}, "holds no list of examples"),
        ("star", {"STAR_val.json": [{**STAR[0], "answer": "The sky."}]}, "'The sky.' is none of"),
        ("ivqa", {"test.csv": "video_id,question\nv,q\n"}, "without 'answer1'"),
        ("hateful_memes", {"test_seen.jsonl": MEMES.replace(": 1,", ": 3,")}, "label 3 is neither 0 nor 1"),
        ("nextqa", {"test.csv": NEXT + NEXT.splitlines()[1]}, "two examples with the key '4924_4'"),
        ("imagenet", {"LOC_synset_mapping.txt": "n a"}, "is not a folder, so the task has no pictures"),
        ("table", {}, "the task has no queries"),
    ],
)
def test_wrong_files_are_errors_that_say_what_to_do(
    name: str, files: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        load_task(name).examples("queries", written(tmp_path, files))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_answers_of_another_split_are_noticed(tmp_path: Path) -> None:
    files = dict(FILES["okvqa"])
    files["mscoco_val2014_annotations.json"] = files["mscoco_train2014_annotations.json"]
    with pytest.raises(InputError, match=r"question 1 of .* has no answer"):
        load_task("okvqa").examples("queries", written(tmp_path, files))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"queries": {"annotation": "x"}},
            "`queries` of the reader karpathy is wrong: unknown key annotation; known here: annotations",
        ),
        ({"reader": "cocoo"}, "reader 'cocoo' is not known"),
    ],
)
def test_a_task_that_cannot_be_read_says_which_key(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_task("coco", change).examples("queries", str(tmp_path))


def test_unknown_tasks_and_metrics_are_named() -> None:
    with pytest.raises(InputError, match="task 'kokoo' is neither"):
        load_task("kokoo")
    with pytest.raises(InputError, match=r"metrics \['blue'\] are not known"):
        load_task("coco", {"metrics": ["blue"]})
