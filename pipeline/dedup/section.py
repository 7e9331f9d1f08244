"""Section `duplicates` of a recipe. A switch that is off costs nothing; docs/duplicates.md says what each costs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from m3w.recipes.section import Section


class MinHash(Section):
    """Locality-sensitive hashing of texts; the defaults are FineWeb's (arXiv 2406.17557, section 3.4)."""

    ngram: int = Field(5, ge=1, le=64)
    """Words."""
    bands: int = Field(14, ge=1, le=256)
    rows: int = Field(8, ge=1, le=64)
    """Two texts of similarity s count as near-duplicates with probability 1 - (1 - s^rows)^bands."""


class Evaluation(Section):
    """Data that models are evaluated on, and that a training set must therefore not contain."""

    images: str | None = None
    """A folder of images, or Parquet files with a column of images; any fsspec path."""
    image_column: str = "image"
    image_distance: int = Field(5, ge=0, le=16)
    """Bits of 64 in which the perceptual hash of an image may differ from that of an evaluation image."""
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
    """An image that more than this many documents show is dropped from all, or kept in the first of them."""
    image_excess: Literal["drop", "keep_first"] = "drop"
    image_distance: int | None = Field(None, ge=0, le=16)
    """Bits in which two perceptual hashes of one image may differ, for `image_documents`; null: equal bytes."""
    repeated_images: bool = False
    """If a document shows an image several times, keep the first."""
    repeated_distance: int | None = Field(None, ge=0, le=16)
    """As `image_distance`, within a document."""
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _distances_have_a_use(self) -> Self:
        if self.image_distance is not None and self.image_documents is None:
            raise ValueError(
                f"duplicates.image_distance = {self.image_distance} has no effect without duplicates.image_documents; "
                "say from how many documents on an image is too frequent"
            )
        if self.repeated_distance is not None and not self.repeated_images:
            raise ValueError(
                f"duplicates.repeated_distance = {self.repeated_distance} has no effect while "
                "duplicates.repeated_images is false; set it to true"
            )
        return self

    @property
    def finds_repetitions(self) -> bool:
        """Whether paragraphs or image URLs are counted over the run."""
        return self.paragraph_documents is not None or self.image_url_documents is not None
