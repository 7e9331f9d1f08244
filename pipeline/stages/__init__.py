"""The stages of a run, in order: extract, filter, fingerprint, deduplicate, unique, requests, fetch, links, join,
assemble; and, where the recipe asks for them, evaluation, repeated, frequent, score."""
