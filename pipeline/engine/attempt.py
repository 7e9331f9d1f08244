"""One attempt at one part: its outputs and counters, and the single step that commits them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from m3w.pipeline.engine.ledger import FAULTS_IN_LEDGER, Fault, LedgerEntry, Output
from m3w.pipeline.engine.output_files import OutputFile
from m3w.pipeline.engine.run import Run


class Isolation(StrEnum):
    """How a stage reads input that may crash its process; see `m3w.pipeline.extract.parser_sandbox`."""

    NONE = "none"
    WATCHED = "watched"
    """In this process, under a time limit that ends it; a lack of memory raises MemoryError."""
    APART = "apart"
    """In a separate process, because the process of an earlier attempt died."""


class Attempt:
    """Writes its outputs under the run's `tmp/`; no reader sees them before `commit`."""

    def __init__(self, run: Run, stage: str, part: str, number: int = 1):
        self.run, self.stage, self.part, self.number = run, stage, part, number
        self.counters: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.metadata: dict[str, Any] = {}
        self._folder = f"tmp/{stage}-{part}-{uuid.uuid4().hex}"
        self._created = 0
        self._outputs: list[tuple[str, Output]] = []
        self._published: list[Output] = []

    @contextmanager
    def create(self, name: str) -> Iterator[OutputFile]:
        """A new output file of the part, which `commit` publishes as `name`; the caller sets its `rows`."""
        temporary = f"{self._folder}/{self._created}"
        self._created += 1
        self.run.fs.makedirs(self.run.full(self._folder), exist_ok=True)
        with self.run.fs.open(self.run.full(temporary), "wb") as file:
            output = OutputFile(file)
            yield output
        described = Output(path=name, sha256=output.sha256.hexdigest(), bytes=output.written, rows=output.rows)
        self._outputs.append((temporary, described))

    def publish(self) -> list[Output]:
        """Move the outputs to their final names."""
        for temporary, output in self._outputs:
            self.run.publish(temporary, output.path)
        self.discard()
        self._published += [output for _, output in self._outputs]
        self._outputs = []
        return self._published

    def add_published(self, output: Output) -> None:
        """Add an output that another process of the part has published."""
        self._published.append(output)

    def commit(self, fingerprint: str, inputs: list[str], seconds: float) -> LedgerEntry:
        """Publish the outputs, then the ledger entry that makes them valid.

        Raises `m3w.pipeline.engine.run.LockLost`, and publishes nothing, if another driver has taken the run over.
        """
        self.run.check_lock()
        outputs = self.publish()
        entry = LedgerEntry(
            stage=self.stage,
            part=self.part,
            fingerprint=fingerprint,
            inputs=inputs,
            outputs=outputs,
            counters=dict(sorted(self.counters.items())),
            faults=self.faults[:FAULTS_IN_LEDGER],
            metadata=self.metadata,
            seconds=round(seconds, 3),
            attempt=self.number,
        )
        self.run.write(f"ledger/{self.stage}/{self.part}.json", entry.model_dump_json(indent=1) + "\n")
        return entry

    def discard(self) -> None:
        """Remove the outputs that are not published."""
        self.run.remove(self._folder)
