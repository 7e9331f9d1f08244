"""What a recipe says on personal data in texts."""

from __future__ import annotations

from pipeline.recipe.section import Section


class Pii(Section):
    """What is masked in the texts, titles, alternative texts and captions of kept documents; see `pipeline.pii`."""

    emails: bool = False
    ip_addresses: bool = False
