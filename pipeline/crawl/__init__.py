"""Where pages come from: listings of paths, WARC records, HTTP bodies."""
