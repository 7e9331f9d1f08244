"""Loading of samples into the tensors of a training step on one core: ours, webdataset, MosaicML Streaming.

    python -m benchmarks.loader [--rounds N] [--data ../shared]

The same sequences (text and JPEG images of the shared web pages) are in one tar, which ours and webdataset read, and in
Streaming's own shards. All three produce the same tensors, 320 x 320 pixels, normalised and padded, which the benchmark
checks: token ids must be equal, and so must every pixel of the two peers, which decode images at full size and resize
them with Pillow's bicubic filter. Ours decodes the JPEG at its next smaller scale and averages areas, so its pixels may
differ by MEAN of 255 on average and by MOST on average over one image; otherwise there are no figures. The peers do
what their users do: `decode("pil")` or Pillow, then `FlamingoProcessor`; all use the same tokenizer. Figures are
seconds of CPU time of one process, that is, of one core.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import webdataset
from PIL import Image

from benchmarks.command import options_parser, print_figures, require_data
from m3w.model import FlamingoProcessor
from m3w.schemas.document import ImageReference
from m3w.schemas.manifest import Manifest, SequenceShard, Split
from m3w.schemas.sequence import INDEX_SCHEMA, Sequence, encode_sample
from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat
from m3w.trainer.data.mixture import load_steps
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.data.windows import cut_window, tokenize_nodes
from m3w.trainer.setup.build import pixel_format, special_tokens
from m3w.trainer.setup.tokenizer import Tokenize, train_tokenizer

BATCH, TOKENS, IMAGES, SIDE = 8, 256, 3, 320
MEAN, MOST = 3.0, 12.0
"""What our pixels may differ by from the peers', of 255: on average over all pictures, and over one (fine lines)."""
STREAMING = Path(__file__).parents[1] / ".venv/streaming"
"""Where `make bench-loader` puts MosaicML Streaming, which asks for another torch if it is installed as a whole."""
WORDS = "The picture on this page was taken by the author of the book on a journey through the country. "

Batch = tuple[torch.Tensor, torch.Tensor]
"""input_ids [B, L] and pixel_values [T, 3, S, S]."""


def sequences(shared: Path, images: int = IMAGES) -> list[Sequence]:
    """Pages of so many JPEGs each, of 320 pixels or more, with a text before and behind each."""
    pictures = []
    for path in sorted((shared / "data/web").rglob("*.jpg")):
        content = path.read_bytes()
        if content[:3] == b"\xff\xd8\xff" and max(Image.open(io.BytesIO(content)).size) >= SIDE:
            pictures.append(content)
    image = ImageReference(url="https://example.org/i", mime="image/jpeg", status="ok")
    pages = [pictures[i : i + images] for i in range(0, len(pictures) - images + 1, images)]
    return [
        Sequence(
            document_id=f"{number:032x}",
            url="https://example.org/",
            sequence=0,
            texts=[f"Page {number}. {WORDS}", *[None, WORDS] * images],  # by which a row is known again
            images=[None, *[image, None] * images],
            image_bytes=page,
        )
        for number, page in enumerate(pages[: len(pages) // BATCH * BATCH])
    ]


def sample_format(processor: FlamingoProcessor, *, images: int) -> SampleFormat:
    return SampleFormat(
        tokenize=Tokenize(processor.tokenizer),
        special=special_tokens(processor),
        pixels=pixel_format(processor),
        padding=processor.tokenizer.pad_token_id,
        tokens=TOKENS,
        images=images,
        p_next=0.0,
    )


def write_tar(folder: Path, samples: list[Sequence]) -> Path:
    """The tar with its index and manifest."""
    tar, index = folder / "train-00000-of-00001.tar", folder / "train-00000-of-00001.index.parquet"
    with webdataset.TarWriter(str(tar), encoder=False) as writer:
        for sample in samples:
            writer.write({"__key__": sample.key, **encode_sample(sample)})
    rows: dict[str, dict[str, Any]] = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            key, _, suffix = member.name.partition(".")
            new = {"key": key, "document_id": key[:32], "offset": member.offset, "size": 0, "members": []}
            row = rows.setdefault(key, new)
            row["size"] = member.offset_data + -(-member.size // 512) * 512 - row["offset"]
            row["members"].append({"suffix": suffix, "offset": member.offset_data, "size": member.size})
    pq.write_table(pa.Table.from_pylist(list(rows.values()), schema=INDEX_SCHEMA), index)
    shard = SequenceShard(
        path=tar.name,
        sha256=sha256(tar.read_bytes()).hexdigest(),
        bytes=tar.stat().st_size,
        index=index.name,
        index_sha256=sha256(index.read_bytes()).hexdigest(),
        samples=len(samples),
        images=sum(len(sample.image_bytes) for sample in samples),
    )
    splits = {"train": Split(sequences=[shard])}
    manifest = Manifest(m3w_version="0", recipe_sha256="0" * 64, splits=splits, counts={})
    (folder / "dataset.json").write_text(manifest.to_json())
    return tar


def ours(folder: Path, form: SampleFormat, samples: int) -> Iterator[Batch]:
    """The training's own loader in one process, up to the pixels that the model is called with."""
    reader = SequenceReader(str(folder), "train")
    order = SampleOrder(reader.shard_sizes, seed=0)
    dataset = BatchSlotDataset(reader, order, form, batch_size=BATCH, batch_slots=range(BATCH), micro_batch_size=BATCH)
    for (batch,) in load_steps(dataset, first_step=0, last_step=samples // BATCH, workers=0):
        inputs = batch.inputs()
        assert inputs["input_ids"] is not None and inputs["pixel_values"] is not None
        yield inputs["input_ids"], inputs["pixel_values"][:, 0]


def in_batches(
    samples: Iterator[tuple[list[str | None], list[Image.Image]]], form: SampleFormat, processor: FlamingoProcessor
) -> Iterator[Batch]:
    """What a peer's samples take to become the same tensors."""
    ids: list[list[int]] = []
    pixels: list[torch.Tensor] = []
    for texts, pictures in samples:
        tokens = tokenize_nodes(texts, form.tokenize, form.special)
        window = cut_window(tokens, form.special, start=0, tokens=TOKENS, images=IMAGES, attend_next=False)
        ids.append(window.input_ids + [form.padding] * (TOKENS - len(window.input_ids)))
        pixels += [processor.pixels(picture)[0] for picture in pictures]
        if len(ids) == BATCH:
            yield torch.tensor(ids), torch.stack(pixels)
            ids, pixels = [], []


def by_webdataset(tar: Path) -> Iterator[tuple[list[str | None], list[Image.Image]]]:
    for sample in webdataset.WebDataset(str(tar), shardshuffle=False).decode("pil"):
        yield sample["json"]["texts"], [sample[f"{number}.jpg"] for number in range(IMAGES)]


def import_streaming() -> Any:
    """MosaicML Streaming, with stand-ins for what its image datasets, not used here, import from torchvision."""
    sys.path.insert(0, str(STREAMING))
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.datasets")
    stand_ins = {name: ModuleType(name) for name in names}
    stand_ins["torchvision.transforms.functional"].to_tensor = None  # type: ignore[attr-defined]
    stand_ins["torchvision.datasets"].VisionDataset = object  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    try:
        return import_module("streaming")
    finally:
        for name in names:
            del sys.modules[name]


def write_streaming(folder: Path, samples: list[Sequence]) -> None:
    columns = {"json": "json", **{f"{number}.jpg": "bytes" for number in range(IMAGES)}}
    with import_streaming().MDSWriter(out=str(folder), columns=columns) as writer:
        for sample in samples:
            members = encode_sample(sample)
            writer.write({**members, "json": json.loads(members["json"])})


def by_streaming(folder: Path) -> Iterator[tuple[list[str | None], list[Image.Image]]]:
    for sample in import_module("streaming").StreamingDataset(local=str(folder), shuffle=False, batch_size=BATCH):
        pictures = [Image.open(io.BytesIO(sample[f"{number}.jpg"])).convert("RGB") for number in range(IMAGES)]
        yield sample["json"]["texts"], pictures


def seconds(batches: Callable[[], Iterator[Batch]]) -> tuple[float, list[Batch]]:
    """CPU time of this process."""
    begin = time.process_time()
    read = list(batches())
    return time.process_time() - begin, read


def check_equal(ours: list[Batch], peers: list[list[Batch]], std: torch.Tensor) -> tuple[float, float]:
    """What our pixels differ by from the peers', of 255: on average, and on average over the picture that is farthest.

    Exits where texts differ, where two peers differ at all, or where ours differ by more than two filters do.
    """
    own, (first, *others) = _by_text(ours), map(_by_text, peers)
    if any(own.keys() != peer.keys() for peer in (first, *others)):
        sys.exit("the loaders gave different texts, so their speeds cannot be compared")
    if any(not torch.equal(first[key], peer[key]) for peer in others for key in first):
        sys.exit("the peers gave different pixels, so their speeds cannot be compared")
    pictures = torch.cat([((own[key] - first[key]).abs() * std * 255).mean((1, 2, 3)) for key in own])
    mean, most = float(pictures.mean()), float(pictures.max())
    if mean > MEAN or most > MOST:
        sys.exit(f"our pixels differ from the peers' by {mean:.1f}, in one picture {most:.1f}: more than filters do")
    return mean, most


def _by_text(batches: list[Batch]) -> dict[tuple[int, ...], torch.Tensor]:
    """Pixels [N, 3, S, S] of each row, in order, by its token ids."""
    by_ids = {}
    for ids, pixels in batches:
        assert ids.shape == (BATCH, TOKENS) and pixels.shape == (BATCH * IMAGES, 3, SIDE, SIDE)
        for row, pictures in zip(ids.tolist(), pixels.unflatten(0, (BATCH, IMAGES)), strict=True):
            by_ids[tuple(row)] = pictures
    assert len(by_ids) == len(batches) * BATCH, "two rows of one text"
    return by_ids


def main() -> None:
    words = options_parser(__doc__, data=True).parse_args()
    require_data(words.data, "data/web")
    torch.set_num_threads(1)
    samples = sequences(words.data)
    processor = FlamingoProcessor(train_tokenizer([WORDS] * 9, 300), image_size=SIDE)
    form = sample_format(processor, images=IMAGES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tar = write_tar(folder, samples)
        ways: dict[str, Callable[[], Iterator[Batch]]] = {
            "ours": lambda: ours(folder, form, len(samples)),
            "webdataset": lambda: in_batches(by_webdataset(tar), form, processor),
        }
        if (STREAMING / "streaming").is_dir():
            write_streaming(folder / "mds", samples)
            ways["streaming"] = lambda: in_batches(by_streaming(folder / "mds"), form, processor)
        times, first = _measured(ways, words.rounds)
    std = torch.tensor(form.pixels.std).view(1, 3, 1, 1)
    differences = check_equal(first["ours"], [rows for name, rows in first.items() if name != "ours"], std)
    _report(times, differences, len(samples))


def _measured(
    ways: dict[str, Callable[[], Iterator[Batch]]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[Batch]]]:
    """Each round times every way once; a first round warms up and gives what is compared."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    first = {name: seconds(way)[1] for name, way in ways.items()}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(seconds(way)[0])
    return times, first


def _report(times: dict[str, list[float]], differences: tuple[float, float], samples: int) -> None:
    figures: dict[str, float] = {}
    print(f"{samples} samples of {IMAGES} JPEGs, to {SIDE} px and {TOKENS} tokens; CPU seconds of one process\n")
    print(f"{'':12}{'samples/s':>12}{'images/s':>12}")
    for name, durations in times.items():
        rate = samples / statistics.median(durations)
        print(f"{name:12}{rate:12.1f}{rate * IMAGES:12.1f}")
        figures[f"{name}_samples_per_core_second"] = round(rate, 1)
        figures[f"{name}_images_per_core_second"] = round(rate * IMAGES, 1)
        if name != "ours":
            ratios = [theirs / ours for theirs, ours in zip(durations, times["ours"], strict=True)]
            figures[f"ratio_to_{name}"] = round(statistics.median(ratios), 2)
    mean, most = differences
    print(f"our pixels differ from the peers' by {mean:.2f} of 255 on average, over one picture by {most:.2f} at most")
    figures |= {"pixels_differ_mean": round(mean, 2), "pixels_differ_most": round(most, 2)}
    if "streaming" not in times:
        print("MosaicML Streaming is not installed: `make bench-loader` does that")
    print_figures("loader", figures, "one process")


if __name__ == "__main__":
    main()
