"""The stages of a run, in order: extract, filter, deduplicate, requests, fetch, links, join, assemble."""
