"""Which models keep the documents of a packed row apart."""

from __future__ import annotations

from m3w.model import Flamingo

PACKABLE = frozenset({"llama", "mistral", "qwen3", "gemma3_text", "olmo2", "phi", "opt", "gpt_neox", "gpt2", "mpt"})
"""Families of language models whose attention ends where positions begin anew (`m3w.model.positions`). A test
compares each with documents in rows of their own. bloom takes its ALiBi from a mask of padding, and no other mask."""


def check_packable(model: Flamingo) -> None:
    """Raises ValueError if a token of a packed row would see another document's tokens or images."""
    family = model.language_model.config.model_type
    if family not in PACKABLE:
        raise ValueError(
            f"a language model of the family {family} is not known to keep the documents of a packed row apart, so "
            f"text would attend to other documents; leave data.packing out, or use one of {', '.join(sorted(PACKABLE))}"
        )
    if model.config.attend != "one":
        raise ValueError(
            "with attend: all_previous text would see the images of earlier documents of its packed row; "
            "leave data.packing out"
        )
