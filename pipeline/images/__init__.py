"""Image references to images: where they come from, what they are, and the store that holds their bytes."""
