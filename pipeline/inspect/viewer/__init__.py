"""`m3w view`: a local web application over a dataset or a run. It writes nothing but the reader's marks."""

from m3w.pipeline.inspect.viewer.application import Viewer, application, serve
from m3w.pipeline.inspect.viewer.documents import CutWindow, ShownWindow
from m3w.pipeline.inspect.viewer.guard import Guard

__all__ = ["CutWindow", "Guard", "ShownWindow", "Viewer", "application", "serve"]
