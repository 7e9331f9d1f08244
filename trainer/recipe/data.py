"""What is read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from m3w.recipes.section import Section


class CacheRecipe(Section):
    """Shards on local disk, fetched whole before they are needed; shared by all processes of a machine."""

    folder: str
    """On a disk of the machine."""
    gib: float = Field(gt=0)
    """The most that the folder takes, GiB: two blocks of shards, or what is next in order cannot be fetched ahead."""


class PackingRecipe(Section):
    """Several documents in one row, without attention between them: less of a batch is padding."""

    documents: int = Field(ge=2)
    """In each row; `tokens` (of the windows) is the most that one of them gets."""
    tokens: int = Field(ge=16)
    """Length of a row. Documents that do not fit share it."""


class WindowsRecipe(Section):
    """An interleaved dataset, and how a sequence becomes a window (appendix A.3.1)."""

    dataset: str
    """Folder with a `dataset.json`; an fsspec path."""
    read: Literal["sequences", "documents"] = "sequences"
    """The tars of sequences; or the Parquet documents, cut into the same sequences. A shard is a row group then."""
    images_per_sequence: int = Field(default=5, ge=1, le=5)
    """With `read: documents`: where they are cut; as the recipe of the dataset has it."""
    tokens: int = Field(default=256, ge=8)
    """L: the length of a window."""
    images: int = Field(default=5, ge=1)
    """N: the most images of a window."""
    p_next: float = Field(default=0.5, ge=0, le=1)
    """How often the text of a page attends to the next image and not to the previous one."""
    start_at_image: bool = False
    """Windows start at an image drawn evenly, not at any token: with a small `tokens`, what pairs would be."""
    flip: bool = True
    """Mirror half of the images, left to right. Turn it off where texts say left and right."""
    colour: bool = True
    """Change brightness, contrast and saturation a little."""
    shards_per_block: int = Field(default=16, ge=1)
    """Samples are shuffled within so many shards at a time; a reader goes to so many at once."""
    weight: float = Field(default=1.0, gt=0)
    """Lambda, beside those of the other datasets."""
    packing: PackingRecipe | None = None
    """null: a row is one document."""
    check: Literal["sizes", "contents"] = "sizes"
    """What of the shards is compared with `dataset.json` before the start: `contents` reads all of them."""


class DataRecipe(WindowsRecipe):
    """The first dataset, and how all of them are read."""

    cache: CacheRecipe | None = None
    """Where the shards of all datasets are fetched to; null: they are read where they lie."""
    workers: int = Field(default=2, ge=0)
    """Loader processes of each rank, for each dataset."""


class InterleavedRecipe(WindowsRecipe):
    """A further interleaved dataset."""

    batch_size: int = Field(ge=1)
    """Rows of one update, over all processes."""


class PairsRecipe(Section):
    """Image-text pairs trained on besides: tars as img2dataset, LAION and COYO have them."""

    shards: list[str] = Field(min_length=1)
    """Paths and globs; fsspec paths."""
    batch_size: int = Field(ge=1)
    """Of one update, over all processes."""
    weight: float = Field(default=0.2, gt=0)
    """Lambda: the paper's for its pairs (ALIGN and LTIP 0.2 each) beside 1 for the interleaved dataset."""
    tokens: int = Field(default=32, ge=8)
    """L: 32 or 64 in the paper."""
    leading_space: float = Field(default=0.5, ge=0, le=1)
    """How often a text gets a space before it."""
    flip: bool = True
    colour: bool = True
    shards_per_block: int = Field(default=16, ge=1)
    packing: PackingRecipe | None = None


class VideosRecipe(PairsRecipe):
    """Video-text pairs: tars as video2dataset's, `KEY.mp4` (webm, mkv, mov, avi) and `KEY.txt` or `KEY.json`."""

    weight: float = Field(default=0.03, gt=0)
    """Lambda: the paper's for its video-text pairs."""
    frames: int = Field(default=8, ge=1)
    """T; a shorter video holds its last frame."""
    frames_per_second: float = Field(default=1.0, gt=0)
