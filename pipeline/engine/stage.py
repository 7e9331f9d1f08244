"""A stage is one declaration, from which the engine derives order, parts, fingerprint, clean-up and reports.

    KEPT = Table("documents/kept", DOCUMENT_SCHEMA)

    @per_part(reads=[KEPT, COPIES, REPEATED.optional], writes=[UNIQUE], settings=UniqueSettings, version=2)
    def unique(io: StageIO, settings: UniqueSettings) -> None: ...

A stage processes its parts one by one (`per_part`), or groups the rows of all parts by a key (`grouped`). Its
fingerprint is the hash of its settings and its version; together with the hashes of the inputs it decides whether an
entry of the ledger is still valid.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa

from m3w.pipeline.engine.settings import NoSettings, digest_of
from m3w.pipeline.engine.table import Input, Table, as_input

if TYPE_CHECKING:
    from m3w.pipeline.engine.inputs import Inputs
    from m3w.pipeline.engine.shuffle import Rows
    from m3w.pipeline.engine.stage_io import PartFiles, StageIO

Cause = Literal["rule", "duplicate", "fetch", "opt_out", "block_list", "evaluation", "crawl", "left_over"]
"""Why a stage drops something, in categories; the funnel shows them."""
ALL = "all"
"""The name of the part of a stage that has only one."""
S = TypeVar("S")


class StageFailed(RuntimeError):
    """A stage ended without a result with which the build can continue."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One unit of a stage's work."""

    name: str
    inputs: list[str]
    """What it reads, for the ledger; a part whose inputs changed runs again."""
    files: Sequence[Sequence[str]] = ()
    """The files that it may read of each table in `Stage.reads`, in that order."""
    params: dict[str, Any] = field(default_factory=dict)
    """Further parameters of the part; a function of the inputs."""
    exclusive_key: str | None = None
    """Parts with the same key run one at a time: at most one task at a time contacts a group of hosts."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Processes that stay up between parts, so that a stage loads its models only once."""

    actors: int
    gpus: float
    """Per actor."""
    gpus_key: str
    """The recipe's key for `gpus`, for error messages."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A step of the funnel: which of a stage's counters say how many items entered and how many it kept.

    The stage counts items that left as `UNIT_dropped.REASON` and `UNIT_passed.KIND`.
    """

    unit: str
    entered_as: str
    entered: tuple[str, str] | str | None = None
    """The counter of what entered, or (stage, counter) of another stage; None: the sum of kept and left items."""
    kept_as: str
    kept: str
    also_passed: tuple[str, ...] = ()
    """Further counters of the stage, for items that continue in another step."""
    track: Literal["pages", "images"] = "pages"


def always(settings: Any) -> bool:
    return True


def no_check(settings: Any) -> None:
    """For settings that the recipe's types already check completely."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A step of a run: a `PartStage` or a `GroupStage`."""

    name: str
    settings: type
    reads: tuple[Input, ...]
    writes: tuple[Table, ...]
    version: int = 1
    """Increased when a change of the code changes the result; all parts then run again."""
    enabled: Callable[[Any], bool] = always
    """Whether a run with these settings has the stage."""
    check: Callable[[Any], None] = no_check
    """Raises `InputError` for settings that name something that does not exist; called before anything is written."""
    units: tuple[str, ...] = ()
    """Counters whose rate is shown while the stage runs, the main one first."""
    flows: tuple[Flow, ...] = ()
    causes: Mapping[str, Cause] = field(default_factory=dict)
    """The cause of a drop, by its reason."""
    cause: Cause = "rule"
    """The cause for all other reasons: a rule may have any name."""
    carries: str | None = None
    """A stage whose reasons this one repeats: `join` drops an image for the reason that it got in `fetch`."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Counters of what owners refused, with the text for the dataset card."""
    module: str
    attribute: str

    def fingerprint(self, settings: Any, extra: str = "") -> str:
        """A hash that changes whenever the stage's result could."""
        return hashlib.sha256(f"{self.version} {digest_of(settings)}{extra}".encode()).hexdigest()

    def __reduce__(self) -> Any:
        """Pickle by name, so that a worker imports the declaration; by value if a worker cannot import it."""
        if self.module != "__main__" and _at(self.module, self.attribute) is self:
            return _at, (self.module, self.attribute)
        return _rebuilt, (type(self), dict(vars(self)))


@dataclass(frozen=True, kw_only=True, eq=False)
class PartStage(Stage):
    """A stage whose parts are processed one by one, by independent tasks."""

    process: Callable[[StageIO, Any], None]
    """Reads the part's inputs, writes its outputs, counts. A pure function, except in the fetch."""
    parts: Callable[[Any, Inputs], Sequence[Part]] | None = None
    """The parts; None: one for each part of the stage that wrote the first table in `reads`."""
    one_part: bool = False
    """The stage always has exactly one part, which is known without calling `parts`."""
    incremental: bool = False
    """Results of earlier recipes or inputs stay until `Executor.forget`, because new parts reuse them."""
    pool: Callable[[Any], Pool] | None = None
    """The pool of actors that runs the parts; None: each part is a task of its own."""
    rounds: Callable[[Any, PartStage, Any, Inputs], dict[str, Any]] | None = None
    """Runs a stage whose parts come in rounds: (executor, stage, settings, inputs) to its ledger entries."""


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """How a grouping works: it groups the rows of all parts by their column `group`."""

    map: Callable[[PartFiles], pa.Table]
    """The rows of one part, with a column `group`."""
    reduce: Callable[[pa.Table], tuple[pa.Table, dict[str, int]]]
    """One group's rows (their order is not defined) to the table that is written, and counters."""
    steps: Callable[[Rows], Rows] = lambda rows: rows
    """Further steps before `reduce`, for a grouping that needs several shuffles. They leave strings in `group`."""
    split: Callable[[pa.Table], Sequence[tuple[str, pa.Table]]] = lambda table: [("", table)]
    """Splits a reduced table into files: for each, the suffix of its name after the group, and its rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupStage(Stage):
    """A stage that groups the rows of all parts; one part in the ledger, one file (or a few) per group."""

    shuffle: Callable[[Inputs, Any], Shuffle]

    @property
    def table(self) -> Table:
        """The one table that it writes."""
        (table,) = self.writes
        return table


def per_part(
    *,
    reads: Sequence[Table | Input] = (),
    writes: Sequence[Table] = (),
    settings: type = NoSettings,
    name: str | None = None,
    **declared: Any,
) -> Callable[[Callable[[StageIO, Any], None]], PartStage]:
    """Declare a function that processes one part as a stage, named after the function; see `PartStage`."""

    def declare(process: Callable[[StageIO, Any], None]) -> PartStage:
        return PartStage(
            name=name or process.__name__,
            process=process,
            settings=settings,
            reads=tuple(map(as_input, reads)),
            writes=tuple(writes),
            module=process.__module__,
            attribute=process.__name__,
            **declared,
        )

    return declare


def grouped(
    *,
    reads: Sequence[Table | Input],
    writes: Table,
    settings: type = NoSettings,
    name: str | None = None,
    **declared: Any,
) -> Callable[[Callable[[Inputs, Any], Shuffle]], GroupStage]:
    """Declare a function that returns a `Shuffle` as a stage, named after the function; see `GroupStage`."""

    def declare(shuffle: Callable[[Inputs, Any], Shuffle]) -> GroupStage:
        return GroupStage(
            name=name or shuffle.__name__,
            shuffle=shuffle,
            settings=settings,
            reads=tuple(map(as_input, reads)),
            writes=(writes,),
            module=shuffle.__module__,
            attribute=shuffle.__name__,
            **declared,
        )

    return declare


def _at(module: str, attribute: str) -> Any:
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return None


def _rebuilt(kind: type[Stage], fields: dict[str, Any]) -> Stage:
    return kind(**fields)
