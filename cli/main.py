"""The command `m3w`.

Each command imports what it needs when it runs, so that `m3w --help` does not wait for torch or Ray.
Exit status: 0 done; 1 finished with failed parts or an unmet check; 2 the user's input is wrong.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from m3w.cli import data_commands, demo, evaluation_commands, exchange_commands, training_commands

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

STATUS_OF_ERROR = {
    ("m3w.recipes.errors", "InputError"): WRONG_INPUT,
    ("m3w.schemas.manifest", "DatasetError"): WRONG_INPUT,
    ("m3w.pipeline.engine.stage", "StageFailed"): FAILED,
    ("m3w.pipeline.engine.retrying", "StoreFailed"): FAILED,
    ("m3w.pipeline.engine.run", "LockLost"): FAILED,
    ("m3w.pipeline.engine.ray_start", "RayFailed"): FAILED,
}
"""By module and name, so that no module is imported for an error that was not raised."""

app = typer.Typer(
    name="m3w",
    help="Turn a web crawl into a multimodal training set and train a Flamingo on it.\n\nStart with: m3w demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help looks better, but doubles the start time
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
demo.register(app)


def main() -> None:
    """Run the command. An error that the user can fix is one line and an exit status, never a traceback."""
    try:
        app()
    except (KeyboardInterrupt, Exception) as error:
        sys.exit(exit_status(error))


def exit_status(error: BaseException) -> int:
    """Print `error` in one line and return its exit status. An unknown error, a bug, is raised again."""
    if isinstance(error, KeyboardInterrupt):
        print("m3w: interrupted; run the same command again to resume", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # the reader of our output, `head` for example, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    for kind in type(error).__mro__:
        if (kind.__module__, kind.__name__) in STATUS_OF_ERROR:
            print(f"m3w: {' '.join(str(error).split())}", file=sys.stderr)
            return STATUS_OF_ERROR[kind.__module__, kind.__name__]
    raise error
