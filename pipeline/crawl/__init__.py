"""Where pages come from: listings, indexes, WARC records, HTTP bodies."""
