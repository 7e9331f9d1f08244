"""Crawl to shards: WARC records to pages, pages to documents, documents and images to a dataset."""
