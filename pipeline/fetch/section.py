"""The recipe's section `fetch`: how images are fetched."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from m3w.recipes.section import Section


def parse_endpoint(text: str) -> tuple[str, int]:
    """The canonical address and the port in `ADDRESS:PORT` or `[ADDRESS]:PORT`. Raises ValueError."""
    address, colon, port = text.rpartition(":")
    try:
        number = int(port) if colon and port.isdecimal() else 0
        if not 1 <= number <= 65535:
            raise ValueError
        return canonical_address(address.removeprefix("[").removesuffix("]")), number
    except ValueError:
        raise ValueError(f"{text} is not ADDRESS:PORT, so it allows nothing; write it like 127.0.0.1:8080") from None


def canonical_address(address: str) -> str:
    """The canonical spelling of an IP address. Raises ValueError for anything else."""
    return str(ipaddress.ip_address(address))


def _endpoint(text: str) -> str:
    parse_endpoint(text)
    return text


def _address(text: str) -> str:
    canonical_address(text)
    return text


class Politeness(Section):
    """Limits on the requests to one host."""

    connections: int = Field(2, ge=1, le=256)
    """Concurrent requests, over the whole cluster."""
    delay_s: float = Field(0.2, ge=0)
    """Seconds between two requests, over the whole cluster; a longer Crawl-delay of the host takes precedence."""


class Fetch(Section):
    """How images are fetched."""

    source: Literal["archive", "web"] = "archive"
    """`archive`: use the image responses in the crawl's own WARC files. `web`: also fetch the others from the web."""
    contact: str | None = None
    """An e-mail address or a URL where owners of hosts can reach you; part of the user agent."""
    agent: str = Field("mthreew", pattern="^[A-Za-z_-]+$")
    """Our name for robots.txt and X-Robots-Tag: letters, - and _ (RFC 9309, section 2.2.1)."""
    urls_per_part: int = Field(10_000, ge=1)
    """Approximate image URLs per part; a host's URLs are in one part, or in parts that run one after the other."""
    urls_per_host: int = Field(2_000, ge=1)
    """A host with more URLs continues in further parts, so that its images are committed from time to time."""
    host: Politeness = Politeness()
    """Limits for every host that `hosts` does not name."""
    hosts: dict[str, Politeness] = {}
    """Other limits for named hosts and their subdomains: `cdn.example` includes `a.cdn.example`."""
    connections: int = Field(128, ge=1, le=4096)
    """Connections of one part, to all its hosts together."""
    timeout_s: float = Field(30.0, gt=0)
    """Seconds for one request, from the connection to the last byte."""
    attempts: int = Field(3, ge=1)
    """Attempts at one URL per build, for failures that may be transient: timeouts, resets, 429, 5xx."""
    max_pause_s: float = Field(120.0, ge=0)
    """A host that demands a longer pause (Retry-After, Crawl-delay) gets no more requests in this build."""
    retry_after_days: float = Field(7.0, ge=0)
    """A later build retries transient failures that are at least this old."""
    max_redirects: int = Field(5, ge=0, le=20)
    max_image_mib: int = Field(20, ge=1)
    max_megapixels: int = Field(64, ge=1)
    """Checked before an image is decoded."""
    robots: bool = True
    """Read and respect the robots.txt of each host."""
    allow_private: list[Annotated[str, AfterValidator(_endpoint)]] = []
    """Endpoints (`ADDRESS:PORT`) to which connections are allowed although they are not public, for tests and
    intranets."""
    resolve: dict[str, Annotated[str, AfterValidator(_address)]] = {}
    """Addresses for host names, used instead of DNS."""

    @model_validator(mode="after")
    def _contact_for_the_web(self) -> Self:
        if self.source == "web" and not (self.contact and ("@" in self.contact or "://" in self.contact)):
            raise ValueError(
                f"fetch.contact = {self.contact!r} is not an address, so the owners of hosts could not reach you, "
                "which fetch.source: web requires; set an e-mail address or a URL"
            )
        return self

    def politeness(self, host: str) -> Politeness:
        """The limits of the longest name in `hosts` that `host` equals or is a subdomain of; else those of `host`."""
        labels = host.split(".")
        names = (".".join(labels[start:]) for start in range(len(labels)))
        return next((self.hosts[name] for name in names if name in self.hosts), self.host)
