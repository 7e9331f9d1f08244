"""The recipe's section `crawl`: where pages come from."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from m3w.pipeline.crawl.language_codes import Language
from m3w.recipes.section import Section


def _without_credentials(url: str) -> str:
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError(
            "an address with a user name or password would be stored in the run for all to read; leave it out "
            "and give credentials in the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE, an instance's role)"
        )
    return url


def _moment(value: object) -> object:
    """A date or time from YAML or text, as ISO 8601; UTC if it has no time zone."""
    if isinstance(value, (str, date)):
        moment = datetime.fromisoformat(str(value))
        value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
    return value


Address = Annotated[str, AfterValidator(_without_credentials)]
Moment = Annotated[str, BeforeValidator(_moment)]
Name = Annotated[str, Field(pattern=r"^[^\s/:@]+$"), AfterValidator(str.lower)]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Storage(Section):
    """Access to remote stores. Credentials come from the environment, never from a recipe."""

    endpoint: Annotated[str, Field(pattern="^https?://[^/]"), AfterValidator(_without_credentials)] | None = None
    """Endpoint for `s3://` paths that are not on AWS, for example `http://minio.example:9000`."""
    anonymous: bool = False
    """Access `s3://` without credentials."""
    attempts: int = Field(8, ge=1)
    """Failed requests in a row before giving up; a request that returns bytes resets the count."""
    pause_s: float = Field(0.5, gt=0)
    """Seconds before the second request, doubled before each further one, at most 60."""
    timeout_s: float = Field(60, gt=0)
    """Seconds without a byte after which a request has failed."""
    gap_kib: int = Field(128, ge=0)
    """Selected pages of a WARC file with a smaller gap between them are read by one request."""


class Where(Section):
    """Conditions on the rows of an index; all must hold. An empty list is no condition."""

    domains: list[Name] = []
    """`example.org` matches this host and all its subdomains."""
    hosts: list[Name] = []
    tlds: list[Name] = []
    languages: list[Language] = []
    """The page's main language: the first one in the index."""
    mimes: list[str] = ["text/html", "application/xhtml+xml"]
    statuses: list[int] = [200]
    after: Moment | None = None
    """Pages crawled at this time or later."""
    before: Moment | None = None
    sample: float = Field(1.0, gt=0, le=1)
    """Share of the URLs to select, by a hash of the URL, so that the same URLs are selected from every crawl."""

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.after and self.before and moment(self.after) >= moment(self.before):
            raise ValueError(
                f"crawl.index.where: after {self.after} is not before {self.before}, so nothing would be "
                "selected; swap them"
            )
        return self


class Index(Section):
    """Pages selected from an index, each read from its position in a WARC file."""

    paths: list[Address] = []
    """Parquet files with the columns of Common Crawl's index table, or CDXJ files (`.cdxj`, `.cdx`, `.cdx.gz`); also
    globs and folders."""
    where: Where = Where()
    pages_per_part: int = Field(10_000, ge=1)


class Crawl(Section):
    """Where pages come from."""

    paths: list[Address] = []
    """WARC and WACZ files, globs, folders, `*.paths.gz` listings."""
    format: Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")] = "warc"
    """`warc`: archives of pages. Otherwise documents in the format of another project (docs/exchange.md): a built-in
    name or the dotted path of a `m3w.pipeline.exchange.Reader`."""
    prefix: Address | None = None
    """Prepended to each line of a listing and to each WARC path in an index, for example `s3://commoncrawl/`."""
    index: Index = Index()
    """Used instead of `paths`."""
    part_mib: int | None = Field(None, ge=1)
    """Size of the parts in which a WARC file with one gzip member per record is read; null: one part per file."""
    storage: Storage = Storage()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.paths) == bool(self.index.paths):
            raise ValueError(
                "crawl names "
                + ("both paths and index.paths" if self.paths else "neither paths nor index.paths")
                + ", so it is not clear what to read; set either crawl.paths (WARC files) or crawl.index.paths"
            )
        if self.format != "warc" and (self.index.paths or self.part_mib):
            raise ValueError(
                f"crawl.format is {self.format}, so crawl.index and crawl.part_mib have no meaning; remove them"
            )
        return self
