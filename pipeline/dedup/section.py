"""The recipe's section `duplicates`. A disabled option costs nothing; docs/duplicates.md has the cost of each."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from m3w.recipes.section import Section


class MinHash(Section):
    """Locality-sensitive hashing of texts; the defaults are FineWeb's (arXiv 2406.17557, section 3.4)."""

    ngram: int = Field(5, ge=1, le=64)
    """Words per n-gram."""
    bands: int = Field(14, ge=1, le=256)
    rows: int = Field(8, ge=1, le=64)
    """Two texts of similarity s count as near-duplicates with probability 1 - (1 - s^rows)^bands."""


class Evaluation(Section):
    """Data on which models are evaluated, and which a training set must therefore not contain."""

    images: str | None = None
    """A folder of images, or Parquet files with a column of images; any fsspec path."""
    image_column: str = "image"
    image_distance: int = Field(5, ge=0, le=16)
    """An image is dropped if its perceptual hash differs from an evaluation image's in at most this many of 64 bits."""
    texts: str | None = None
    """A folder or a file: `.txt` (one text per file), `.jsonl` or `.parquet`."""
    text_column: str = "text"
    ngram: int = Field(13, ge=1, le=64)
    """A document that shares a run of this many words with an evaluation text is dropped."""


class Duplicates(Section):
    """Copies of pages, texts, paragraphs and images."""

    same_page: bool = True
    """Keep one document per page URL: the newest crawl."""
    same_text: bool = False
    same_images: bool = False
    """Keep one document per set of image URLs: the newest crawl."""
    near_text: bool = False
    minhash: MinHash = MinHash()
    paragraph_documents: int | None = Field(None, ge=1)
    """A text node in more than this many documents of a site is removed from all of them."""
    image_url_documents: int | None = Field(None, ge=1)
    """An image URL in more than this many documents is not fetched."""
    image_documents: int | None = Field(None, ge=1)
    """An image in more than this many documents is too frequent; see `image_excess`."""
    image_excess: Literal["drop", "keep_first"] = "drop"
    """`drop`: remove a too frequent image from all documents. `keep_first`: keep it in the newest
    `image_documents`."""
    image_distance: int | None = Field(None, ge=0, le=16)
    """For `image_documents`, the bits in which the perceptual hashes of equal images may differ; null: equal bytes."""
    repeated_images: bool = False
    """If a document shows an image several times, keep only the first."""
    repeated_distance: int | None = Field(None, ge=0, le=16)
    """Like `image_distance`, within a document."""
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _distances_have_a_use(self) -> Self:
        if self.image_distance is not None and self.image_documents is None:
            raise ValueError(
                f"duplicates.image_distance = {self.image_distance} has no effect without duplicates.image_documents; "
                "set it to the number of documents above which an image is too frequent"
            )
        if self.repeated_distance is not None and not self.repeated_images:
            raise ValueError(
                f"duplicates.repeated_distance = {self.repeated_distance} has no effect while "
                "duplicates.repeated_images is false; set it to true"
            )
        return self

    @property
    def finds_repetitions(self) -> bool:
        """Whether paragraphs or image URLs are counted over the whole run."""
        return self.paragraph_documents is not None or self.image_url_documents is not None
