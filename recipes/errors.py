"""The error for wrong input of the user."""

from __future__ import annotations


class InputError(ValueError):
    """The user's input is wrong. The message is one line: the value, the consequence, the remedy.

    The command line prints it without a traceback and exits with status 2.
    """
