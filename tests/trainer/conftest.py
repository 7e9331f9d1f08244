"""Tiny datasets for the trainer's tests, written as the pipeline writes them but with nothing of it, and processes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import socket
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import webdataset
import yaml
from PIL import Image, ImageDraw

from m3w.schemas.document import ImageReference
from m3w.schemas.manifest import Manifest, SequenceShard, Split
from m3w.schemas.sequence import INDEX_SCHEMA, INDEX_SUFFIX, encode_sample
from m3w.schemas.sequence import Sequence as SequenceSample

if TYPE_CHECKING:
    from m3w.trainer.distributed.ranks import Ranks

COLOURS = {"red": (220, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 220), "yellow": (240, 220, 40)}
SHAPES = ("circle", "square", "triangle")

Node = str | bytes
"""A text, or the bytes of a PNG."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """As torchrun gives each of several processes: sums of two threads end in other digits than those of one."""
    torch.set_num_threads(1)


def png(colour: str = "red", shape: str = "square", side: int = 64, at: tuple[int, int] = (12, 12)) -> bytes:
    """A PNG of one drawn shape on white."""
    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    box = (*at, at[0] + side // 2, at[1] + side // 2)
    if shape == "circle":
        pen.ellipse(box, fill=COLOURS[colour])
    elif shape == "square":
        pen.rectangle(box, fill=COLOURS[colour])
    else:
        pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=COLOURS[colour])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def sequence(number: int, nodes: Sequence[Node], split: str = "train") -> SequenceSample:
    """The sample of `nodes` whose document has `number` for its id."""
    pictures = [node for node in nodes if isinstance(node, bytes)]
    return SequenceSample(
        document_id=f"{split}{number:08d}",
        url=f"https://example.org/{number}",
        sequence=0,
        texts=[node if isinstance(node, str) else None for node in nodes],
        images=[
            None
            if isinstance(node, str)
            else ImageReference(url="https://example.org/i", mime="image/png", status="ok")
            for node in nodes
        ],
        image_bytes=pictures,
    )


def write_shard(folder: Path, name: str, samples: Sequence[SequenceSample]) -> SequenceShard:
    """The tar and its index, with their entry in the manifest."""
    tar = folder / "sequences" / f"{name}.tar"
    index = folder / "sequences" / f"{name}{INDEX_SUFFIX}"
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tar.open("wb") as file:
        writer = webdataset.TarWriter(file, encoder=False, mtime=0)
        for sample in samples:
            writer.write({"__key__": sample.key, **encode_sample(sample)})
        writer.close()
    pq.write_table(_index(tar, {sample.key: sample.document_id for sample in samples}), index)
    return SequenceShard(
        path=f"sequences/{tar.name}",
        sha256=hashlib.sha256(tar.read_bytes()).hexdigest(),
        bytes=tar.stat().st_size,
        index=f"sequences/{index.name}",
        index_sha256=hashlib.sha256(index.read_bytes()).hexdigest(),
        samples=len(samples),
        images=sum(len(sample.image_bytes) for sample in samples),
    )


def _index(tar: Path, document_ids: dict[str, str]) -> pa.Table:
    rows: dict[str, dict[str, object]] = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            key, _, suffix = member.name.partition(".")
            end = member.offset_data + (member.size + 511) // 512 * 512
            row = rows.setdefault(
                key, {"key": key, "document_id": document_ids[key], "offset": member.offset, "size": 0, "members": []}
            )
            row["size"] = end - row["offset"]  # type: ignore[operator]
            row["members"].append({"suffix": suffix, "offset": member.offset_data, "size": member.size})  # type: ignore[attr-defined]
    return pa.Table.from_pylist(list(rows.values()), schema=INDEX_SCHEMA)


def write_dataset(folder: Path, splits: dict[str, list[list[Sequence[Node]]]]) -> Path:
    """A dataset whose `splits` list shards, which list samples, which list nodes."""
    manifest: dict[str, Split] = {}
    for split, shards in splits.items():
        entries, number = [], 0
        for shard, samples in enumerate(shards):
            numbered = [sequence(number + i, nodes, split) for i, nodes in enumerate(samples)]
            number += len(samples)
            entries.append(write_shard(folder, f"{split}-{shard:05d}-of-{len(shards):05d}", numbered))
        manifest[split] = Split(sequences=entries)
    counts: dict[str, dict[str, int]] = {}
    text = Manifest(m3w_version="0", recipe_sha256="0" * 64, splits=manifest, counts=counts).to_json()
    (folder / "dataset.json").write_text(text)
    assert json.loads(text)["format_version"] == 1
    return folder


@pytest.fixture(scope="session")
def make_dataset() -> Callable[[Path, dict[str, list[list[Sequence[Node]]]]], Path]:
    return write_dataset


@pytest.fixture(scope="session")
def write_sequence_shard() -> Callable[[Path, str, Sequence[SequenceSample]], SequenceShard]:
    return write_shard


@pytest.fixture(scope="session")
def make_png() -> Callable[..., bytes]:
    return png


@pytest.fixture(scope="session")
def shapes_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two train shards and one of validation: each sample shows one to three shapes and says which."""
    combinations = [(colour, shape) for colour in COLOURS for shape in SHAPES]

    def nodes(number: int) -> list[Node]:
        found: list[Node] = [f"Page {number} shows shapes."]
        for i in range(1 + number % 3):
            colour, shape = combinations[(number * 5 + i) % len(combinations)]
            found += [png(colour, shape), f"A {colour} {shape}."]
        return found

    folder = tmp_path_factory.mktemp("shapes")
    train = [[nodes(i) for i in range(14)], [nodes(i) for i in range(14, 24)]]
    return write_dataset(folder, {"train": train, "validation": [[nodes(i) for i in range(24, 32)]]})


def _join(rank: int, count: int, port: int) -> None:
    """What a launcher tells a process."""
    import torch

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)


def _rank(rank: int, count: int, port: int, folder: str, work: Callable[[Ranks], object]) -> None:
    import torch

    from m3w.trainer.distributed.ranks import join_ranks

    _join(rank, count, port)
    with join_ranks() as ranks:
        torch.save(work(ranks), Path(folder) / f"{rank}.pt")


def _command(rank: int, count: int, port: int, work: Callable[[], int]) -> None:
    _join(rank, count, port)
    sys.exit(work())


def _free_port() -> int:
    """Below those that the system gives to whoever asks for any: nobody takes it before the first process does."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


@pytest.fixture
def spread(tmp_path: Path) -> Callable[[int, Callable[[Ranks], Any]], list[Any]]:
    """What `work` gives on each of `count` processes over gloo, which are forked: torch is loaded already."""
    import torch
    import torch._dynamo  # or each forked process imports it, two seconds, at its first shard
    import torch.multiprocessing as processes

    def run(count: int, work: Callable[[Ranks], Any]) -> list[Any]:
        given = (count, _free_port(), str(tmp_path), work)
        processes.start_processes(_rank, given, nprocs=count, start_method="fork")
        return [torch.load(tmp_path / f"{rank}.pt") for rank in range(count)]

    return run


@pytest.fixture
def launch() -> Callable[[int, Callable[[], int]], list[int | None]]:
    """The exit codes of `count` processes that run the command `work`, as from a launcher that ends none of them."""

    def run(count: int, work: Callable[[], int]) -> list[int | None]:
        port, context = _free_port(), get_context("fork")
        started = [context.Process(target=_command, args=(rank, count, port, work)) for rank in range(count)]
        for process in started:
            process.start()
        for process in started:
            process.join()
        return [process.exitcode for process in started]

    return run


def write_recipe(folder: Path, dataset: Path) -> Path:
    """Eight updates of a Flamingo from scratch; no dropout, of which each process draws its own."""
    text = {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 32}
    vision = {"model_type": "clip_vision_model", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32}
    heads = {"num_attention_heads": 2}
    fields = {
        "seed": 5,
        "output": str(folder / "out"),
        "model": {
            "tokenizer": {"vocabulary": 300},
            "image_size": 32,
            "open_gates": 0.5,
            "language_model": {"frozen": False, "config": {**text, **heads, "num_key_value_heads": 2}},
            "vision_encoder": {"frozen": False, "config": {**vision, **heads, "image_size": 32, "patch_size": 16}},
            "architecture": {"head_dim": 16, "resampler_layers": 1, "resampler_latents": 4, "resampler_heads": 2},
        },
        "data": {"dataset": str(dataset), "tokens": 48, "workers": 0},
        "optimizer": {"learning_rate": 0.003, "warmup_steps": 4},
        "training": {"steps": 8, "batch_size": 4, "micro_batch_size": 1},
        "checkpoints": {"every": 3},
        "validation": {"every": 4, "batches": 3, "batch_size": 4},
        "log": {"every": 1, "tensorboard": False},
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


@pytest.fixture
def recipe(tmp_path: Path, shapes_dataset: Path) -> Path:
    return write_recipe(tmp_path, shapes_dataset)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, shapes_dataset: Path) -> Path:
    """The folder of the recipe's training by one process that nothing stopped."""
    from m3w.trainer.distributed.ranks import Ranks
    from m3w.trainer.recipe import load_recipe
    from m3w.trainer.training import train

    path = write_recipe(tmp_path_factory.mktemp("alone"), shapes_dataset)
    train(load_recipe(str(path)), Ranks(0, 1, torch.device("cpu")))
    return path.parent / "out"
