"""Images: decoding, resizing, metadata, hashes, the store of their bytes, and scorers."""
