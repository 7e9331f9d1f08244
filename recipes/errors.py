"""What a user's input can be wrong with: one line that names the value, what follows from it, the remedy."""

from __future__ import annotations


class InputError(ValueError):
    """The user's input is wrong; the command line prints the message alone and ends with status 2."""
