"""What a recipe says on how image references become images, and on whose word they are left alone."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from m3w.pipeline.fetch.endpoints import parse_endpoint
from m3w.recipes.section import Section


def _endpoint(text: str) -> str:
    parse_endpoint(text)
    return text


def _address(text: str) -> str:
    ipaddress.ip_address(text)
    return text


class Manners(Section):
    """How a host is asked."""

    connections: int = Field(2, ge=1, le=256)
    """At a time, over the whole cluster."""
    delay_s: float = Field(0.2, ge=0)
    """Seconds from one request to the next, over the whole cluster; a longer Crawl-delay of the host wins."""


class Fetch(Section):
    """Image references to images."""

    source: Literal["archive", "web"] = "archive"
    """`archive`: the image responses in the crawl's own WARC files. `web`: these, and what they lack from the web."""
    contact: str | None = None
    """An e-mail address or a URL under which the owners of asked hosts reach whoever runs this; in the user agent."""
    agent: str = Field("mthreew", pattern="^[A-Za-z_-]+$")
    """The name that robots.txt and X-Robots-Tag address: letters, - and _ only (RFC 9309, section 2.2.1)."""
    urls_per_part: int = Field(10_000, ge=1)
    """About how many image URLs one part fetches; a host's URLs are in one part, or in parts that follow each other."""
    urls_per_host: int = Field(2_000, ge=1)
    """A host with more URLs goes on in a further part, so that what it gave is committed from time to time."""
    host: Manners = Manners()
    hosts: dict[str, Manners] = {}
    """Other manners for named hosts and all below them: `cdn.example` is also `a.cdn.example`."""
    connections: int = Field(128, ge=1, le=4096)
    """Of one part, to all its hosts together."""
    timeout_s: float = Field(30.0, gt=0)
    """For one request, from the connection to the last byte."""
    attempts: int = Field(3, ge=1)
    """Of one URL in one run, where the failure may pass: timeouts, resets, 429, 5xx."""
    max_pause_s: float = Field(120.0, ge=0)
    """A host that asks for a longer pause (Retry-After, Crawl-delay) is left alone in this run."""
    retry_after_days: float = Field(7.0, ge=0)
    """A later build asks again for what failed in passing, once it is so long ago."""
    max_redirects: int = Field(5, ge=0, le=20)
    max_image_mib: int = Field(20, ge=1)
    max_megapixels: int = Field(64, ge=1)
    """Checked before an image is decoded."""
    robots: bool = True
    """Ask each host for its robots.txt and keep to it."""
    allow_private: list[Annotated[str, AfterValidator(_endpoint)]] = []
    """`ADDRESS:PORT` that may be connected to although they are not of the open Internet: for tests and intranets."""
    resolve: dict[str, Annotated[str, AfterValidator(_address)]] = {}
    """Addresses of names that no name server knows."""

    @model_validator(mode="after")
    def _contact_for_the_web(self) -> Self:
        if self.source == "web" and not (self.contact and ("@" in self.contact or "://" in self.contact)):
            raise ValueError(
                f"fetch.contact = {self.contact!r} is no address, so the owners of hosts that fetch.source: web asks "
                "could not reach you; give an e-mail address or a URL"
            )
        return self

    def manners(self, host: str) -> Manners:
        """Those of the longest name in `hosts` that `host` is or lies below."""
        labels = host.split(".")
        names = (".".join(labels[start:]) for start in range(len(labels)))
        return next((self.hosts[name] for name in names if name in self.hosts), self.host)
