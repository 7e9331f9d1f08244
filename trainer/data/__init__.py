"""Shards to batches: readers, the order of samples, windows, batch slots, the mixture of datasets."""
