"""The viewer's addresses: a page, its style and script, and JSON that the script asks for.

Every question that reads files runs in a thread of its own, so that a slow one keeps no other waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS
from m3w.pipeline.inspect.examples import draw
from m3w.pipeline.inspect.folder import open_dataset
from m3w.pipeline.inspect.static import read
from m3w.pipeline.inspect.viewer.documents import Documents
from m3w.pipeline.inspect.viewer.drops import drops
from m3w.pipeline.inspect.viewer.filters import SORTS, Filters, number
from m3w.pipeline.inspect.viewer.guard import Guard
from m3w.pipeline.inspect.viewer.image_preview import ImagePreview
from m3w.pipeline.inspect.viewer.marks import KINDS, Marks
from m3w.pipeline.inspect.viewer.preview import Preview
from m3w.pipeline.inspect.viewer.sequences import Sequences
from m3w.pipeline.inspect.viewer.tables import Tables
from m3w.pipeline.inspect.viewer.windows import CutWindow
from m3w.pipeline.inspect.wording import short_name
from m3w.recipes.errors import InputError

SIDE = 1024
"""Longest side of a picture on the page, in pixels."""
STATIC = {
    "/": ("viewer.html", "text/html"),
    "/theme.css": ("theme.css", "text/css"),
    "/viewer.css": ("viewer.css", "text/css"),
    "/viewer.js": ("viewer.js", "text/javascript"),
    "/dom.js": ("dom.js", "text/javascript"),
    "/windows.js": ("windows.js", "text/javascript"),
    "/panels.js": ("panels.js", "text/javascript"),
}
Found = TypeVar("Found")


@dataclass
class Viewer:
    """A dataset that is looked at."""

    path: str
    marks_file: Path
    cut_window: CutWindow | None = None

    def __post_init__(self) -> None:
        self.folder = open_dataset(self.path)
        self.tables = Tables(self.folder)
        self.marks = Marks(self.marks_file)
        self.documents = Documents(self.tables, self.marks)
        self.sequences = Sequences(self.tables, self.cut_window)
        self.preview = Preview(self.tables)
        self.image_preview = ImagePreview(self.tables)

    def about(self) -> dict[str, Any]:
        """What the page needs once; from the manifest alone."""
        return {
            "dataset": self.folder.path,
            "name": short_name(self.folder.path),
            "documents": self.tables.documents,
            "splits": sorted(set(self.tables.split_of)),
            "signals": list(DOCUMENT_RULE_SIGNALS),
            "sorts": [name for name in SORTS if name],
            "marks": self.marks.counts(),
            "marks_file": str(self.marks_file),
            "windows": self.cut_window is not None,
            "image_signals": self.image_preview.signals(),
            **self.preview.rules(),
        }

    def page(self, query: Mapping[str, str], signals: list[str]) -> dict[str, Any]:
        marked = {kind: self.marks.ids(kind) for kind in KINDS}
        return self.documents.page(Filters.parse(query, signals, marked), _whole(query.get("page", "0")))

    def mark(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict) or not isinstance(body.get("document_id"), str):
            raise InputError("a mark is {document_id, mark, url, note}")
        note, url = str(body.get("note") or ""), str(body.get("url") or "")
        self.marks.set(body["document_id"], body.get("mark"), url=url, note=note)
        return {"marks": self.marks.counts()}


def application(viewer: Viewer, guard: Guard) -> web.Application:
    app = web.Application(middlewares=[guard.middleware()], client_max_size=2**16)
    for path, (name, kind) in STATIC.items():
        app.router.add_get(path, _file(name, kind))
    routes: dict[str, Callable[[web.Request], Any]] = {
        "/api/about": lambda r: viewer.about(),
        "/api/choices": lambda r: viewer.documents.choices(),
        "/api/documents": lambda r: viewer.page(r.query, r.query.getall("signal", [])),
        "/api/document/{shard}/{row}": lambda r: viewer.documents.document(_part(r, "shard"), _part(r, "row")),
        "/api/sequences/{document_id}": lambda r: viewer.sequences.of(r.match_info["document_id"]),
        "/api/window/{key}": lambda r: viewer.sequences.window(
            r.match_info["key"], _whole(r.query.get("start", "0")), _whole(r.query.get("tokens", "256")),
            r.query.get("next") == "1",
        ),
        "/api/drops": lambda r: drops(viewer.folder),
        "/api/preview": lambda r: viewer.preview.take(r.query.get("rule", ""), r.query.get("signal", ""), *_range(r)),
        "/api/image-preview": lambda r: viewer.image_preview.take(r.query.get("signal", ""), *_range(r)),
    }  # fmt: skip
    for path, ask in routes.items():
        app.router.add_get(path, _json(ask))
    pictures: dict[str, Callable[[web.Request], bytes | None]] = {
        "/image/{shard}/{row}/{position}": lambda r: viewer.documents.image(
            _part(r, "shard"), _part(r, "row"), _part(r, "position")
        ),
        "/sequence-image/{key}/{number}": lambda r: viewer.sequences.image(r.match_info["key"], _part(r, "number")),
        "/fetched-image": lambda r: viewer.image_preview.image(r.query.get("url", "")),
    }
    for path, find in pictures.items():
        app.router.add_get(path, _picture(find))
    app.router.add_post("/api/mark", _mark(viewer))
    app.router.add_get("/marks.jsonl", _download(viewer.marks.json_lines, "application/x-ndjson", "marks.jsonl"))
    app.router.add_get("/marks.csv", _download(viewer.marks.csv, "text/csv", "marks.csv"))
    return app


Handler = Callable[[web.Request], Any]


def _file(name: str, kind: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=read(name), content_type=kind, charset="utf-8")

    return handler


def _json(ask: Callable[[web.Request], Any]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        try:
            return web.json_response(await asyncio.to_thread(ask, request))
        except InputError as error:
            return web.json_response({"error": str(error)}, status=400)

    return handler


def _picture(find: Callable[[web.Request], bytes | None]) -> Handler:
    """Pictures are drawn anew, so that no bytes of the web reach the browser's decoders."""

    def drawn(request: web.Request) -> bytes | None:
        content = find(request)
        return None if content is None else draw(content, SIDE)

    async def handler(request: web.Request) -> web.Response:
        try:
            content = await asyncio.to_thread(drawn, request)
        except InputError as error:
            return web.Response(status=400, text=str(error))
        if content is None:  # 204 makes an <img> fail as 404 does, and fills no console
            return web.Response(status=204)
        return web.Response(body=content, content_type="image/webp")

    return handler


def _mark(viewer: Viewer) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        try:
            return web.json_response(await asyncio.to_thread(viewer.mark, await request.json()))
        except (InputError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handler


def _download(content: Callable[[], str], kind: str, name: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=content(), content_type=kind, charset="utf-8", headers=headers)

    return handler


def _part(request: web.Request, name: str) -> int:
    return _whole(request.match_info[name])


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InputError(f"{text} is no whole number")
    return int(text)


def _range(request: web.Request) -> tuple[float | None, float | None]:
    low, high = (number(text, name) if (text := request.query.get(name)) else None for name in ("min", "max"))
    return low, high
