"""HTML bytes to an interleaved document: decode, parse, main content, image candidates."""

from pipeline.extract.page import REASONS, extract_document, extract_page
from schemas.document import VIDEO

__all__ = ["REASONS", "VIDEO", "extract_document", "extract_page"]
