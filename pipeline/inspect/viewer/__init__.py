"""`m3w view`: a local web application over a dataset or a run. Reads; writes nothing but the reader's marks."""

from m3w.pipeline.inspect.viewer.application import Viewer, application
from m3w.pipeline.inspect.viewer.guard import Guard
from m3w.pipeline.inspect.viewer.server import serve
from m3w.pipeline.inspect.viewer.windows import CutWindow, ShownWindow

__all__ = ["CutWindow", "Guard", "ShownWindow", "Viewer", "application", "serve"]
