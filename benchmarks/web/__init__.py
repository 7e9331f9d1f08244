"""Webs on loopback to fetch from, for tests and benchmarks: see `offline`, `hostile` and `crawl`."""
