"""The command `m3w`.

Every command imports what it calls when it is called, so that `m3w --help` does not wait for torch or Ray.
Exit status: 0 done; 1 finished with failed parts or an unmet check; 2 the user's input is wrong.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from m3w.cli import data_commands, demo_command, evaluation_commands, exchange_commands, training_commands
from m3w.cli.exit_status import exit_status

app = typer.Typer(
    name="m3w",
    help="Turn a web crawl into a multimodal training set and train a Flamingo on it.\n\nA first look: m3w demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help looks better and takes as long again to start
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"m3w {version('m3w')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    pass


data_commands.register(app)
exchange_commands.register(app)
training_commands.register(app)
evaluation_commands.register(app)
demo_command.register(app)


def main() -> None:
    """Run the command; what is the user's to mend is one line and status 2, never a traceback."""
    try:
        app()
    except (KeyboardInterrupt, Exception) as error:
        sys.exit(exit_status(error))
