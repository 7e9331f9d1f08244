"""Statistics, report, viewer and status of a dataset and of a run. Imports neither Ray nor torch, to start fast."""

from m3w.pipeline.inspect.charts import Curve
from m3w.pipeline.inspect.collect import statistics
from m3w.pipeline.inspect.comparison import comparison_section, print_comparison
from m3w.pipeline.inspect.figures import Comparison, Statistics
from m3w.pipeline.inspect.presentation import Paragraph, Pictures, Section, Table
from m3w.pipeline.inspect.report import write_report
from m3w.pipeline.inspect.status import RunStatus, run_status
from m3w.pipeline.inspect.status_terminal import print_status, watch
from m3w.pipeline.inspect.terminal import print_statistics

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
