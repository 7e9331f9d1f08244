"""`ADDRESS:PORT`, as recipes name what a guard allows."""

from __future__ import annotations

import ipaddress


def parse_endpoint(text: str) -> tuple[str, int]:
    """`ADDRESS:PORT` or `[ADDRESS]:PORT` as a canonical address and a port; raises ValueError."""
    address, colon, port = text.rpartition(":")
    try:
        number = int(port) if colon and port.isdecimal() else 0
        if not 1 <= number <= 65535:
            raise ValueError
        return canonical_address(address.removeprefix("[").removesuffix("]")), number
    except ValueError:
        raise ValueError(f"{text} is no ADDRESS:PORT, so nothing can be allowed by it; write 127.0.0.1:8080") from None


def canonical_address(address: str) -> str:
    """One spelling of an IP address; raises ValueError for what is none."""
    return str(ipaddress.ip_address(address))
