"""Webs on loopback for tests and benchmarks of fetching: see `offline`, `hostile` and `crawl`."""
