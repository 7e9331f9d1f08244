"""What is measured on documents and images; `pipeline.rules` keeps or drops by it."""
