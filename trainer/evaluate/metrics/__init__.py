"""Metrics, each implemented from its source and tested against published numbers."""
