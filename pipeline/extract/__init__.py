"""HTML bytes to an interleaved document: decode, parse, main content, image references."""

from m3w.pipeline.extract.page import REASONS, extract_document, extract_page
from m3w.schemas.document import VIDEO

__all__ = ["REASONS", "VIDEO", "extract_document", "extract_page"]
