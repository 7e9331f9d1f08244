"""The stages of a run, in order: extract, filter, deduplicate, unique, requests, fetch, links, join, assemble."""
