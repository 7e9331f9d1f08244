"""Writes the dataset: the split, Parquet documents, WebDataset sequences, the manifest, the card."""
