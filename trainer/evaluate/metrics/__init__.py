"""What answers are scored by, each from its source and held to published numbers."""
