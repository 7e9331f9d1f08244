"""What a document must be to be kept: signals, rules, block lists, the owners' refusals, personal data."""
