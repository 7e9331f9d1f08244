"""The contracts on disk: Arrow schemas, the layout of a sequence, the dataset's manifest.

Nothing here reads a crawl or runs a model; every other package writes and reads through these modules.
"""
