"""What is measured on an image: the numbers that rules on images look at."""

from __future__ import annotations

IMAGE_SIGNALS = ("shorter_side", "longer_side", "aspect_ratio", "bytes", "colour_range")
"""Names of the numbers in the index's `signals`, in their order on disk."""
