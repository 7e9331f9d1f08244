"""Looking at a dataset and at a run: statistics, the report, the status. Starts fast: no Ray, no torch."""

from m3w.pipeline.inspect.collect import statistics
from m3w.pipeline.inspect.comparison import comparison_section
from m3w.pipeline.inspect.driver_terminal import watch
from m3w.pipeline.inspect.figures import Comparison, Statistics
from m3w.pipeline.inspect.report import write_report
from m3w.pipeline.inspect.sections import Curve, Paragraph, Pictures, Section, Table
from m3w.pipeline.inspect.status import RunStatus, run_status
from m3w.pipeline.inspect.status_terminal import print_status
from m3w.pipeline.inspect.terminal import print_statistics
from m3w.pipeline.inspect.terminal_comparison import print_comparison

__all__ = [
    "Comparison",
    "Curve",
    "Paragraph",
    "Pictures",
    "RunStatus",
    "Section",
    "Statistics",
    "Table",
    "comparison_section",
    "print_comparison",
    "print_statistics",
    "print_status",
    "run_status",
    "statistics",
    "watch",
    "write_report",
]
