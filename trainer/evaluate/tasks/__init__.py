"""Benchmarks as data: a YAML file a task, a class a published file format."""
