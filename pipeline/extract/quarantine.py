"""What a part could not read, kept with its place: `quarantine/extract/PART.parquet`."""

from __future__ import annotations

from m3w.pipeline.crawl.warc_record import Fault
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.parquet import RowWriter
from m3w.pipeline.tables import FAULT_SCHEMA


def note(attempt: Attempt, fault: Fault) -> None:
    """Count a fault and keep it for `write_quarantine`."""
    attempt.counters[f"faults.{fault.reason}"] += 1
    attempt.faults.append(fault)


def write_quarantine(attempt: Attempt) -> None:
    """Write the attempt's faults, if there are any."""
    if not attempt.faults:
        return
    name = f"quarantine/{attempt.stage}/{attempt.part}.parquet"
    with attempt.create(name) as file, RowWriter(file, FAULT_SCHEMA) as writer:
        for fault in attempt.faults:
            writer.write({name: getattr(fault, name) for name in FAULT_SCHEMA.names})
