"""Looking at a dataset and at a run: statistics, the report, the status. Starts fast: no Ray, no torch."""

from pipeline.inspect.collect import statistics
from pipeline.inspect.figures import Statistics
from pipeline.inspect.status import RunStatus, run_status
from pipeline.inspect.status_terminal import print_status
from pipeline.inspect.terminal import print_statistics

__all__ = ["RunStatus", "Statistics", "print_statistics", "print_status", "run_status", "statistics"]
