"""The contracts on disk: Arrow schemas, the layout of a sample, the dataset's manifest.

Nothing here reads a crawl, runs a model or knows who calls it; every other room writes and reads
through these modules.
"""
