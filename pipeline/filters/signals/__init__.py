"""What is measured on documents and images; `m3w.pipeline.filters.rules` keeps or drops by it."""
