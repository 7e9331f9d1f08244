"""What a stage is: one declaration, from which the engine derives order, parts, fingerprint, clean-up and reports.

    KEPT = Table("documents/kept", DOCUMENT_SCHEMA)

    @per_part(reads=[KEPT, COPIES, REPEATED.optional], writes=[UNIQUE], settings=UniqueSettings, version=2)
    def unique(io: StageIO, settings: UniqueSettings) -> None: ...

A stage is done part by part (`per_part`), or brings the rows of all parts together by a key (`grouped`). Its
fingerprint is
the hash of its settings and its version; with its inputs' hashes it says whether what the ledger holds still counts.
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
"""What kind of thing makes a stage drop something; see the funnel."""
ALL = "all"
"""The part of a stage that has one."""
S = TypeVar("S")


class StageFailed(RuntimeError):
    """A stage ended without a result that the build can go on with."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One unit of a stage's work."""

    name: str
    inputs: list[str]
    """What it reads, for the ledger; a part whose inputs changed is done again."""
    files: Sequence[Sequence[str]] = ()
    """The files it may read of each of the tables that its stage reads, in the order of `Stage.reads`."""
    params: dict[str, Any] = field(default_factory=dict)
    """What the stage needs to know besides; a function of the inputs."""
    exclusive_key: str | None = None
    """Of the parts with one key at most one runs at a time: a group of hosts has one task at a time."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Processes that stay up from part to part, for a stage that loads models: they are loaded once."""

    actors: int
    gpus: float
    """Of each actor."""
    gpus_key: str
    """The recipe's key that says so, for errors."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A step of the funnel that a stage is: how many things entered, which of them it kept, under which counters.

    What left is counted by the stage as `UNIT_dropped.REASON` and `UNIT_passed.KIND`.
    """

    unit: str
    entered_as: str
    entered: tuple[str, str] | str | None = None
    """The counter of what entered, or that of another stage; None: what was kept and what left, added up."""
    kept_as: str
    kept: str
    also_passed: tuple[str, ...] = ()
    """Whole counters of the stage for what goes on elsewhere."""
    track: Literal["pages", "images"] = "pages"


def always(settings: Any) -> bool:
    return True


def no_check(settings: Any) -> None:
    """Nothing can be wrong with the settings beyond what the recipe's types say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A step of a run. `PartStage` and `GroupStage` say how it works."""

    name: str
    settings: type
    reads: tuple[Input, ...]
    writes: tuple[Table, ...]
    version: int = 1
    """Raised when the stage's code would give another result; its parts are then done again."""
    enabled: Callable[[Any], bool] = always
    """Whether a run with these settings has the stage."""
    check: Callable[[Any], None] = no_check
    """Raises `InputError` for settings that name what is not there, before anything is written."""
    units: tuple[str, ...] = ()
    """Counters whose rate is shown while the stage runs, the main one first."""
    flows: tuple[Flow, ...] = ()
    causes: Mapping[str, Cause] = field(default_factory=dict)
    """What makes the stage drop something, by the reason of the drop."""
    cause: Cause = "rule"
    """For all other reasons: a rule's name may be any word."""
    carries: str | None = None
    """A stage whose reasons this one repeats: what an image ended with in the fetch is the reason in `join`, too."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Counters of what owners refused, with the words for the dataset card."""
    module: str
    attribute: str

    def fingerprint(self, settings: Any, extra: str = "") -> str:
        """Changes whenever the stage's results could."""
        return hashlib.sha256(f"{self.version} {digest_of(settings)}{extra}".encode()).hexdigest()

    def __reduce__(self) -> Any:
        """By name, so that a worker imports the declaration; by value for one that no module holds."""
        if _at(self.module, self.attribute) is self:
            return _at, (self.module, self.attribute)
        return _rebuilt, (type(self), dict(vars(self)))


@dataclass(frozen=True, kw_only=True, eq=False)
class PartStage(Stage):
    """A stage whose parts are done one by one, by tasks that know nothing of each other."""

    process: Callable[[StageIO, Any], None]
    """Reads the part's inputs, writes, counts. A pure function, but for the fetch."""
    parts: Callable[[Any, Inputs], Sequence[Part]] | None = None
    """The parts; None: one for each part of the stage that wrote the first table in `reads`."""
    one_part: bool = False
    """There is one part, whatever `parts` has to read to say what it depends on."""
    incremental: bool = False
    """What earlier recipes or inputs made stays until `Executor.forget`: new parts take over from it."""
    pool: Callable[[Any], Pool] | None = None
    """Parts go to the actors of this pool; None: a task each."""
    rounds: Callable[[Any, PartStage, Any, Inputs], dict[str, Any]] | None = None
    """How the stage runs where its parts come in rounds (executor, stage, settings, inputs), to its ledger entries."""


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """How a grouping works: rows of every part are brought together by their column `group`."""

    map: Callable[[PartFiles], pa.Table]
    """The rows of one part, with a column `group`."""
    reduce: Callable[[pa.Table], tuple[pa.Table, dict[str, int]]]
    """One group's rows (in no order to rely on) to the table that is written, and counters."""
    steps: Callable[[Rows], Rows] = lambda rows: rows
    """What comes before the rows are reduced, where one shuffle is not enough. It leaves strings in `group`."""
    split: Callable[[pa.Table], Sequence[tuple[str, pa.Table]]] = lambda table: [("", table)]
    """A reduced table to the files that it becomes: what follows the group in the name of each, and its rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupStage(Stage):
    """A stage that brings the rows of all parts together; one part in the ledger, a file for each group."""

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
    """Declare a function over one part as a stage, named after the function; see `Stage` and `PartStage`."""

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
    """Declare a function that gives a `Shuffle` as a stage, named after the function; see `Stage` and `GroupStage`."""

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
