"""The page on all commands, made from the commands: `python -m m3w.cli.reference > docs/commands.md`. A test
compares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from m3w.cli.main import app

START = """# Commands

Made from the commands by `python -m m3w.cli.reference`; `m3w COMMAND --help` says the same. Exit status: 0 done; 1
finished with failed parts or an unmet check; 2 the input is wrong, with one line that says what to do.
"""


def reference() -> str:
    """Markdown: a section for each command, in the order of `m3w --help`."""
    group: Any = typer.main.get_command(app)
    sections = ["\n".join(_section(name, command)) for name, command in group.commands.items()]
    return "\n".join([START, *sections])


def _section(name: str, command: Any) -> Iterator[str]:
    text, _, example = (command.help or "").partition("Example: ")
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    context = typer.Context(command)
    yield f"## m3w {name}\n"
    yield f"{' '.join(text.split())}\n"
    yield f"    m3w {name} {' '.join([*map(_usage, arguments), '[OPTIONS]' if options else ''])}".rstrip()
    yield f"    {example.strip()}\n" if example else ""
    if arguments or options:
        yield "| | | default |\n| --- | --- | --- |"
        yield from (f"| `{_usage(p)}` | {p.help or ''} | |" for p in arguments)
        yield from (f"| `{p.get_help_record(context)[0]}` | {p.help or ''} | {_default(p)} |" for p in options)
        yield ""


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _default(option: Any) -> str:
    if option.required:
        return "required"
    return "" if option.default in (None, False) else f"`{option.default}`"


if __name__ == "__main__":
    print(reference(), end="")
