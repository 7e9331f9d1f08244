"""The registry: what each signal is, in what unit, where it is from, and the function that measures it.

A signal is a decorated function:

    @document_signal("exclamations", formula="exclamation marks", unit="signs", source=OWN)
    def exclamations(text: DocumentText) -> float:
        return float(text.text.count("!"))

A function that measures several at once, because they share work, is decorated by `@document_signals(Signal(...), ...)`
and returns them by name. The order of registration is the order of the struct `signals` on disk: new ones go to the
end. `python -c "from m3w.pipeline.filters.signals import tables; print(tables())"` prints docs/filtering.md's tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import Field

from m3w.recipes.class_path import ClassPath, check_class_path, load_class_path
from m3w.recipes.errors import InputError
from m3w.recipes.section import Section

if TYPE_CHECKING:
    from m3w.pipeline.filters.signals.image import FetchedPicture
    from m3w.pipeline.filters.signals.node import ReferenceInContext
    from m3w.pipeline.filters.signals.text import DocumentText, Text
    from m3w.schemas.document import InterleavedDocument

GOPHER = "Gopher (2112.11446), A.1.1"
TABLE_A1 = "Gopher (2112.11446), A.1.1, table A1"
OBELICS = "OBELICS (2306.16527), A.2"
C4 = "C4 (1910.10683), 2.2"
OWN = "m3w"

T = TypeVar("T")


@dataclass(frozen=True)
class Signal:
    """What a signal is, for the guide."""

    name: str
    formula: str
    unit: str
    """`share` is a number from 0 to 1."""
    source: str
    deviation: str = ""


class Registry(Generic[T]):
    """The signals of one kind of thing, in the order of their registration."""

    def __init__(self) -> None:
        self._signals: dict[str, Signal] = {}
        self._function_of: dict[str, Callable[[T], Mapping[str, float]]] = {}
        self._functions: list[Callable[[T], Mapping[str, float]]] = []

    def signal(
        self, name: str, *, formula: str, unit: str, source: str, deviation: str = ""
    ) -> Callable[[Callable[[T], float]], Callable[[T], float]]:
        """Register a function that measures one signal."""

        def register(function: Callable[[T], float]) -> Callable[[T], float]:
            self.signals(Signal(name, formula, unit, source, deviation))(lambda thing: {name: function(thing)})
            return function

        return register

    def signals(
        self, *signals: Signal
    ) -> Callable[[Callable[[T], Mapping[str, float]]], Callable[[T], Mapping[str, float]]]:
        """Register a function that measures several signals; what else it returns is ignored."""

        def register(function: Callable[[T], Mapping[str, float]]) -> Callable[[T], Mapping[str, float]]:
            for signal in signals:
                assert signal.name not in self._signals, f"the signal {signal.name} is registered twice"
                self._signals[signal.name] = signal
                self._function_of[signal.name] = function
            self._functions.append(function)
            return function

        return register

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._signals)

    def __iter__(self) -> Iterator[Signal]:
        return iter(self._signals.values())

    def measure(self, thing: T) -> dict[str, float]:
        """All signals of `thing` by name, in order."""
        measured: dict[str, float] = {}
        for function in self._functions:
            measured |= function(thing)
        return {name: measured[name] for name in self._signals}

    def measure_with(self, name: str, thing: T) -> Mapping[str, float]:
        """The signal `name` of `thing`, and those that are measured together with it."""
        return self._function_of[name](thing)

    def table(self, *others: Signal) -> str:
        """The signals and `others` as a Markdown table."""
        rows = ["| signal | what it is | unit | from | deviation |", "| --- | --- | --- | --- | --- |"]
        rows += [f"| `{s.name}` | {s.formula} | {s.unit} | {s.source} | {s.deviation} |" for s in (*self, *others)]
        return "\n".join(rows)


DOCUMENT: Registry[DocumentText] = Registry()
"""Of a document; stored in its `signals`."""
LANGUAGE_SCORE = Signal("language_score", "probability of the likeliest language", "share", "fastText (1607.01759)",
                        "the compressed model, lid.176.ftz")  # fmt: skip
"""Of a document, too, in a column of its own."""
TEXT: Registry[Text] = Registry()
"""Of a text node."""
REFERENCE: Registry[ReferenceInContext] = Registry()
"""Of an image reference, before it is fetched."""
IMAGE: Registry[FetchedPicture] = Registry()
"""Of a fetched image; stored in the index of images."""

document_signal, document_signals = DOCUMENT.signal, DOCUMENT.signals
text_node_signal, text_node_signals = TEXT.signal, TEXT.signals
image_reference_signal, image_reference_signals = REFERENCE.signal, REFERENCE.signals
image_signal, image_signals = IMAGE.signal, IMAGE.signals


# Signals that a recipe brings

SignalName = Annotated[str, Field(pattern=r"^\w+$")]


class SignalEntry(Section):
    """A signal of documents that the recipe brings: a function of an `InterleavedDocument` that returns a number.

    It is measured at extraction and stored behind the built-in ones; `rules.document` knows it by its name.
    """

    class_path: ClassPath
    """`package.module.function`, or a class whose instances are called."""
    options: dict[str, Any] = {}
    """Keyword arguments of the function or of the class."""


CustomSignal = Callable[["InterleavedDocument"], float]
"""Measures one number on a document, whose language and other signals are known. NaN: there is none."""


def load_signals(entries: Mapping[str, SignalEntry]) -> dict[str, CustomSignal]:
    """The functions that a recipe's section `signals` names, by the names of their signals."""
    return {name: load_class_path(entry.class_path, entry.options) for name, entry in entries.items()}


def check_signals(entries: Mapping[str, SignalEntry]) -> None:
    """Raise `InputError` for the name of a built-in signal, and for a module that is not there; none is imported."""
    for name, entry in entries.items():
        if name in (*DOCUMENT.names, LANGUAGE_SCORE.name):
            raise InputError(
                f"signals.{name}: there is a built-in signal {name}, so a rule on it would be ambiguous; choose "
                "another name"
            )
        check_class_path(
            entry.class_path,
            f"signals.{name}.class_path",
            "nothing would be measured",
            "my_package.signals.exclamations",
        )


def measure_custom(document: InterleavedDocument, custom: Mapping[str, CustomSignal]) -> dict[str, float]:
    """The numbers of `custom` signals by name; NaN where one raises or returns no number."""
    return {name: _number_or_nan(signal, document) for name, signal in custom.items()}


def _number_or_nan(signal: Callable[[InterleavedDocument], Any], document: InterleavedDocument) -> float:
    try:
        return float(signal(document))
    except Exception:  # a stranger's code: one document it cannot measure must not cost the others of the part
        return math.nan
