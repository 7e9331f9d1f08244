"""Duplicates: what makes two pages, texts, paragraphs or images the same, and which of them stays."""
