"""Which documents, nodes and images are kept: signals and rules, block lists, consent, personal data."""
