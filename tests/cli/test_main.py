"""Errors that a user can do something about end a command in one line, with the status that docs/commands.md gives."""

from __future__ import annotations

import importlib

import pytest

from m3w.cli.main import STATUS_OF_ERROR, exit_status


@pytest.mark.parametrize(("module", "name"), STATUS_OF_ERROR)
def test_each_named_error_is_an_error_of_its_module(module: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are named, not imported; a class that moved would end a command with a traceback."""
    error = getattr(importlib.import_module(module), name)
    assert issubclass(error, Exception) and error.__module__ == module
    assert exit_status(error("what\nhappened")) == STATUS_OF_ERROR[module, name]
    assert capsys.readouterr().err == "m3w: what happened\n"


def test_a_bug_is_raised_again() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_status(ZeroDivisionError("a bug"))
