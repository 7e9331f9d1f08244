"""Looking at a dataset and at a run: statistics, the report, the status. Starts fast: no Ray, no torch."""

from pipeline.inspect.collect import statistics
from pipeline.inspect.comparison import comparison_section
from pipeline.inspect.driver_terminal import watch
from pipeline.inspect.figures import Comparison, Statistics
from pipeline.inspect.report import write_report
from pipeline.inspect.sections import Curve, Paragraph, Pictures, Section, Table
from pipeline.inspect.status import RunStatus, run_status
from pipeline.inspect.status_terminal import print_status
from pipeline.inspect.terminal import print_statistics
from pipeline.inspect.terminal_comparison import print_comparison

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
