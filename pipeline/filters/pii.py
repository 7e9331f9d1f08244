"""Personal data in texts: e-mail and IP addresses are replaced by addresses reserved for examples.

As in FineWeb (arXiv 2406.17557), the replacement is an address again, so that a sentence stays a sentence. E-mail
addresses become `email@example.com` (RFC 2606), IPv4 addresses `192.0.2.1` (RFC 5737), IPv6 addresses `2001:db8::1`
(RFC 3849). Only public addresses identify somebody: private, reserved and documentation ones stay. Four numbers with
dots may be a version: they stay after a word such as `version`, `v`, `release` or `build`, and within a longer sequence
of numbers. Other versions that look like a public address are replaced, too. Cost: linear.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass

from m3w.pipeline.filters.section import Pii
from m3w.schemas.document import InterleavedDocument

EMAIL = "email@example.com"
IPV4 = "192.0.2.1"
IPV6 = "2001:db8::1"

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-]|\.\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-fA-F]{1,4}:[0-9a-fA-F:]{1,34}[0-9a-fA-F:](?![\w:]|\.\d)")
_VERSION = re.compile(
    r"\b(?:versions?|vers?|v|releases?|rev|builds?|firmware|driver|update|patch|section|chapter)[.:]?\s{0,3}$", re.I
)
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")


@dataclass
class Masking:
    """Masks texts as the recipe says, and counts what it masks as `emails` and `ip_addresses`."""

    settings: Pii
    counts: Counter[str]

    def mask_document(self, document: InterleavedDocument) -> bool:
        """Mask texts, title, alternative texts and captions in place; returns whether anything was masked."""
        before = self.counts.total()
        if self.settings.emails or self.settings.ip_addresses:
            document.texts = [text and self.mask(text) for text in document.texts]
            document.title = document.title and self.mask(document.title)
            for image in document.images:
                if image is not None:
                    image.alt = image.alt and self.mask(image.alt)
                    image.caption = image.caption and self.mask(image.caption)
        return self.counts.total() > before

    def mask(self, text: str) -> str:
        if self.settings.emails and "@" in text:
            text, count = _EMAIL.subn(EMAIL, text)
            self.counts["emails"] += count
        if self.settings.ip_addresses:
            if "." in text:
                text = _IPV4.sub(self._ipv4, text)
            if text.count(":") > 1:
                text = _IPV6.sub(self._ipv6, text)
        return text

    def _ipv4(self, match: re.Match[str]) -> str:
        if not _is_public(match[0]) or _VERSION.search(match.string, max(0, match.start() - 20), match.start()):
            return match[0]
        self.counts["ip_addresses"] += 1
        return IPV4

    def _ipv6(self, match: re.Match[str]) -> str:
        if not _is_public(match[0]):
            return match[0]
        self.counts["ip_addresses"] += 1
        return IPV6


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # 999.1.1.1; leading zeros, as in dates; times of day
        return False
    return address.is_global and not address.is_multicast and (address.version == 4 or address in _GLOBAL_V6)
