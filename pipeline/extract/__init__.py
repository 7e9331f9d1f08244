"""HTML bytes to an interleaved document: decode, parse, main content, image candidates."""

from pipeline.extract.page import extract_document, extract_page

__all__ = ["extract_document", "extract_page"]
