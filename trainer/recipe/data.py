"""The datasets of a recipe, and how they are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from m3w.recipes.section import Section


class CacheRecipe(Section):
    """A cache of whole shards on the local disk, prefetched, and shared by all processes of a machine."""

    folder: str
    """On a local disk."""
    gib: float = Field(gt=0)
    """Size limit of the folder, GiB. It should hold two blocks of shards, so that the next one can be prefetched."""


class PackingRecipe(Section):
    """Several documents in one row, without attention between them, for less padding."""

    documents: int = Field(ge=2)
    """Documents in each row. None gets more than the `tokens` of the windows."""
    tokens: int = Field(ge=16)
    """Length of a row. Documents that don't fit share it."""


class WindowsRecipe(Section):
    """An interleaved dataset, and how a sequence becomes a window (appendix A.3.1)."""

    dataset: str
    """Folder with a `dataset.json`; an fsspec path."""
    read: Literal["sequences", "documents"] = "sequences"
    """Read the tars of sequences, or cut the Parquet documents into the same sequences. With `documents` a shard is a
    row group."""
    images_per_sequence: int = Field(default=5, ge=1, le=5)
    """With `read: documents`: the value in the dataset's recipe, which decides where documents are cut."""
    tokens: int = Field(default=256, ge=8)
    """L: the length of a window."""
    images: int = Field(default=5, ge=1)
    """N: most images of a window."""
    p_next: float = Field(default=0.5, ge=0, le=1)
    """Probability that the text of a page attends to the next image and not to the previous one."""
    start_at_image: bool = False
    """Windows start at an image drawn evenly, not at any token. With a small `tokens` they are like pairs."""
    flip: bool = True
    """Mirror half of the images, left to right. Turn it off if texts say left and right."""
    colour: bool = True
    """Change brightness, contrast and saturation a little."""
    shards_per_block: int = Field(default=16, ge=1)
    """Samples are shuffled within a block of so many shards; a reader reads from so many at once."""
    weight: float = Field(default=1.0, gt=0)
    """Lambda in the paper: weight of the loss relative to the other datasets."""
    packing: PackingRecipe | None = None
    """null: each row has one document."""
    check: Literal["sizes", "contents"] = "sizes"
    """What is compared with `dataset.json` before the start; `contents` reads all shards."""


class DataRecipe(WindowsRecipe):
    """The first dataset, and how all datasets are read."""

    cache: CacheRecipe | None = None
    """Cache for the shards of all datasets; null: they are read from their own store."""
    workers: int = Field(default=2, ge=0)
    """Loader processes per rank and dataset."""


class InterleavedRecipe(WindowsRecipe):
    """A further interleaved dataset."""

    batch_size: int = Field(ge=1)
    """Rows per update, over all processes."""


class PairsRecipe(Section):
    """Image-text pairs: tars in the format of img2dataset, LAION and COYO."""

    shards: list[str] = Field(min_length=1)
    """Paths and globs; fsspec paths."""
    batch_size: int = Field(ge=1)
    """Pairs per update, over all processes."""
    weight: float = Field(default=0.2, gt=0)
    """Lambda: the paper has 0.2 for each of its sets of pairs and 1 for the interleaved dataset."""
    tokens: int = Field(default=32, ge=8)
    """L: 32 or 64 in the paper."""
    leading_space: float = Field(default=0.5, ge=0, le=1)
    """Probability of a space before the text."""
    flip: bool = True
    colour: bool = True
    shards_per_block: int = Field(default=16, ge=1)
    packing: PackingRecipe | None = None


class VideosRecipe(PairsRecipe):
    """Video-text pairs: tars in the format of video2dataset, `KEY.mp4` (webm, mkv, mov, avi) and `KEY.txt` or
    `.json`."""

    weight: float = Field(default=0.03, gt=0)
    """Lambda: the paper's weight of video-text pairs."""
    frames: int = Field(default=8, ge=1)
    """T; a shorter video repeats its last frame."""
    frames_per_second: float = Field(default=1.0, gt=0)
