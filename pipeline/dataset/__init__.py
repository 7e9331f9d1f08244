"""Documents and images to a dataset: the split, Parquet documents, WebDataset sequences, the manifest, the card."""
