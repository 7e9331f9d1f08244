"""A dataset's statistics from its manifest, its Parquet columns and the sequences' indexes; no image bytes are read.

Cost: one pass over `url`, `crawled_at`, `language`, `signals` and five fields of `images` (about 300 bytes a document)
and over `members` of each tar's index. pyarrow's kernels do the work on batches, which needs no engine beside what the
shards are written with.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.inspect.distributions import BYTES, FEW, MANY, PIXELS, RATIOS, Numbers, Values, hosts, longer_by_shorter
from pipeline.inspect.figures import SplitTotals, Statistics
from pipeline.inspect.folder import open_dataset
from pipeline.inspect.funnel import faults, funnel
from schemas.document import OK
from schemas.manifest import Split

DOCUMENT_COLUMNS = (
    "url",
    "crawled_at",
    "language",
    "opt_out",
    "signals",
    *(f"images.list.element.{name}" for name in ("mime", "width", "height", "status")),
)
INDEX_COLUMNS = ("members.list.element.suffix", "members.list.element.size")


def statistics(dataset: str) -> Statistics:
    """The figures of the dataset at `dataset`, or of that in the run there, on any fsspec path.

    Raises `InputError` for a folder that is neither and for shards that are missing or damaged, `ManifestError` for a
    `dataset.json` that this version cannot read.
    """
    folder = open_dataset(dataset)
    manifest = folder.manifest
    documents, sequences = _Documents(), _Sequences()
    for split in manifest.splits.values():
        for shard in split.documents:
            for batch in folder.columns(shard.path, DOCUMENT_COLUMNS):
                documents.add(batch)
        for tar in split.sequences:
            for batch in folder.columns(tar.index, INDEX_COLUMNS):
                sequences.add(batch)
    return Statistics(
        dataset=folder.path,
        m3w_version=manifest.m3w_version,
        recipe_sha256=manifest.recipe_sha256,
        splits={name: _totals(split) for name, split in manifest.splits.items()},
        funnel=funnel(manifest.counts),
        faults=faults(manifest.counts),
        distributions={name: numbers.close() for name, numbers in (*documents.numbers(), *sequences.numbers())},
        frequencies={name: values.close() for name, values in documents.values()},
    )


def _totals(split: Split) -> SplitTotals:
    return SplitTotals(
        documents=sum(shard.documents for shard in split.documents),
        images=sum(shard.images for shard in split.documents),
        sequences=sum(shard.samples for shard in split.sequences),
        sequence_images=sum(shard.images for shard in split.sequences),
        document_shards=len(split.documents),
        document_bytes=sum(shard.bytes for shard in split.documents),
        sequence_shards=len(split.sequences),
        sequence_bytes=sum(shard.bytes for shard in split.sequences),
    )


class _Documents:
    """What the documents' Parquet files say."""

    def __init__(self) -> None:
        self.words = Numbers("Words per document", "words", MANY)
        self.images = Numbers("Images per document", "images", FEW)
        self.text_nodes = Numbers("Text nodes per document", "text nodes", FEW)
        self.image_nodes = Numbers("Image nodes per document", "image nodes", FEW)
        self.width = Numbers("Image width", "pixels", PIXELS)
        self.height = Numbers("Image height", "pixels", PIXELS)
        self.aspect_ratio = Numbers("Aspect ratio (longer by shorter side)", "", RATIOS, whole=False)
        self.status = Values("Status of image references", "image references")
        self.formats = Values("Image formats", "images")
        self.shapes = Values("Image shapes", "images")
        self.languages = Values("Languages", "documents")
        self.hosts = Values("Hosts", "documents")
        self.years = Values("Crawl years", "documents")
        self.opt_out = Values("Opt-out marks on pages", "documents")

    def numbers(self) -> Iterator[tuple[str, Numbers]]:
        yield "words_per_document", self.words
        yield "images_per_document", self.images
        yield "text_nodes_per_document", self.text_nodes
        yield "image_nodes_per_document", self.image_nodes
        yield "image_width", self.width
        yield "image_height", self.height
        yield "image_aspect_ratio", self.aspect_ratio

    def values(self) -> Iterator[tuple[str, Values]]:
        yield "image_status", self.status
        yield "image_formats", self.formats
        yield "image_shapes", self.shapes
        yield "languages", self.languages
        yield "hosts", self.hosts
        yield "crawl_years", self.years
        yield "opt_out", self.opt_out

    def add(self, batch: pa.RecordBatch) -> None:
        self.words.add(pc.struct_field(batch["signals"], "words"))
        self.languages.add(batch["language"])
        self.hosts.add(hosts(batch["url"]))
        self.years.add(pc.year(batch["crawled_at"]))
        self.opt_out.add(pc.list_flatten(batch["opt_out"]))
        self._add_images(batch["images"])

    def _add_images(self, lists: pa.ListArray) -> None:
        nodes, document = pc.list_flatten(lists), pc.list_parent_indices(lists)
        is_image = pc.is_valid(nodes)
        references = nodes.filter(is_image)
        is_ok = pc.fill_null(pc.equal(references.field("status"), OK), False)
        image_nodes = _per_list(document.filter(is_image), len(lists))
        self.image_nodes.add(image_nodes)
        self.text_nodes.add(pc.subtract(_per_list(document, len(lists)), image_nodes))
        self.images.add(_per_list(document.filter(is_image).filter(is_ok), len(lists)))
        self.status.add(references.field("status"))
        images = references.filter(is_ok)
        self.formats.add(images.field("mime"))
        width, height = images.field("width"), images.field("height")
        self.width.add(width)
        self.height.add(height)
        self.aspect_ratio.add(longer_by_shorter(width, height))
        self.shapes.add(_shape(width, height))


def _per_list(parents: pa.Array, lists: int) -> pa.Array:
    """How many elements each of so many lists has, from the number of the list that each element is in."""
    found = pc.value_counts(pa.concat_arrays([parents, pa.array(range(lists), parents.type)]))
    order = pc.sort_indices(found.field("values"))
    return pc.subtract(found.field("counts").take(order), 1)


def _shape(width: pa.Array, height: pa.Array) -> pa.Array:
    wide, high = pc.greater(width, height), pc.less(width, height)
    return pc.if_else(wide, "landscape", pc.if_else(high, "portrait", "square"))


class _Sequences:
    """What the indexes beside the tars say."""

    def __init__(self) -> None:
        self.images = Numbers("Images per sequence", "images", FEW)
        self.bytes = Numbers("Image file size", "bytes", BYTES)

    def numbers(self) -> Iterator[tuple[str, Numbers]]:
        yield "images_per_sequence", self.images
        yield "image_bytes", self.bytes

    def add(self, batch: pa.RecordBatch) -> None:
        lists = batch["members"]
        members, sequence = pc.list_flatten(lists), pc.list_parent_indices(lists)
        is_image = pc.not_equal(members.field("suffix"), "json")
        self.images.add(_per_list(sequence.filter(is_image), len(lists)))
        self.bytes.add(members.filter(is_image).field("size"))
