"""What the documents take from the code: the page on all commands, and the table of a build's stages.

    python -m m3w.cli.reference > docs/commands.md
    python -m m3w.cli.reference stages          the table in docs/architecture.md, between its marks

Tests compare both.
"""

from __future__ import annotations

import sys
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


def stages() -> str:
    """Markdown: a row for each stage of a build, in order, as it is declared."""
    from m3w.pipeline.build import STAGES

    header = "| stage | does | reads | writes | keys of the recipe that change its result |"
    return "\n".join([header, "| --- | --- | --- | --- | --- |", *map(_stage_row, STAGES)]) + "\n"


def _stage_row(stage: Any) -> str:
    from m3w.pipeline.engine.settings import keys_of
    from m3w.pipeline.engine.stage import GroupStage

    function = stage.shuffle if isinstance(stage, GroupStage) else stage.process
    does = (function.__doc__ or "").partition(". ")[0].partition("\n")[0].rstrip(".")
    reads = {declared.table.folder: declared for declared in stage.reads if declared.access != "required"}
    columns = (
        f"`{stage.name}`" + (", a grouping" if isinstance(stage, GroupStage) else ""),
        does,
        ", ".join(f"`{name}`" for name in reads) or "files that the recipe names",
        ", ".join(f"`{name}`" for name in dict.fromkeys(table.folder for table in stage.writes)),
        ", ".join(f"`{path}`" for path in keys_of(stage.settings, "result")),
    )
    return f"| {' | '.join(columns)} |"


if __name__ == "__main__":
    print(stages() if sys.argv[1:] == ["stages"] else reference(), end="")
