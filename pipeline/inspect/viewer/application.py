"""The viewer's server and its URLs: a page, its styles and scripts, and the JSON that the scripts ask for.

Every request that reads files runs in a thread of its own, so that a slow one does not delay others.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from aiohttp import web

from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS
from m3w.pipeline.inspect.examples import DropReason, drop_reasons
from m3w.pipeline.inspect.presentation import read_static, render, thumbnail
from m3w.pipeline.inspect.viewer.documents import CutWindow, Documents, Sequences
from m3w.pipeline.inspect.viewer.guard import Guard, token_for
from m3w.pipeline.inspect.viewer.marks import KINDS, Marks
from m3w.pipeline.inspect.viewer.tables import SORTS, Filters, Tables, parse_number
from m3w.pipeline.inspect.viewer.thresholds import DocumentPreview, ImagePreview
from m3w.pipeline.inspect.wording import short_name
from m3w.recipes.errors import InputError
from m3w.schemas.dataset import open_dataset
from m3w.schemas.manifest import DatasetError

PORT = 8008
SIDE = 1024
"""Longest side of a picture on the page, in pixels."""
DROPS_PER_REASON = 50
STATIC = {
    "/": ("viewer.html", "text/html"),
    **{f"/{name}": (name, "text/css") for name in ("theme.css", "viewer.css")},
    **{
        f"/{name}": (name, "text/javascript") for name in ("theme.js", "viewer.js", "dom.js", "windows.js", "panels.js")
    },
}


@dataclass
class Viewer:
    """A dataset, the reader's marks, and what the page shows of them."""

    path: str
    marks_file: Path
    cut_window: CutWindow | None = None

    def __post_init__(self) -> None:
        self.dataset = open_dataset(self.path)
        self.tables = Tables(self.dataset)
        self.marks = Marks(self.marks_file)
        self.documents = Documents(self.tables, self.marks)
        self.sequences = Sequences(self.tables, self.cut_window)
        self.document_preview = DocumentPreview(self.tables)
        self.image_preview = ImagePreview(self.tables)

    def about(self) -> dict[str, Any]:
        """What the page needs once; from the manifest alone."""
        return {
            "dataset": self.dataset.path,
            "name": short_name(self.dataset.path),
            "documents": self.dataset.documents,
            "splits": sorted(set(self.tables.split_of)),
            "signals": list(DOCUMENT_RULE_SIGNALS),
            "sorts": [name for name in SORTS if name],
            "marks": self.marks.counts(),
            "marks_file": str(self.marks_file),
            "windows": self.cut_window is not None,
            "image_signals": self.image_preview.signals(),
            **self.document_preview.rules(),
        }

    def page(self, query: Mapping[str, str], signals: list[str]) -> dict[str, Any]:
        marked = {kind: self.marks.ids(kind) for kind in KINDS}
        return self.documents.page(Filters.parse(query, signals, marked), _whole(query.get("page", "0")))

    def document(self, shard: int, row: int) -> dict[str, Any]:
        return self.documents.document(shard, row, self.document_preview.document_rules())

    @cached_property
    def drops(self) -> list[dict[str, Any]]:
        """Every reason of a drop in the order of the funnel, with its sample as HTML."""
        return [_drop_group(each) for each in drop_reasons(self.dataset, self.tables.run, DROPS_PER_REASON)]

    def mark(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict) or not isinstance(body.get("document_id"), str):
            raise InputError("a mark is {document_id, mark, url, note}")
        note, url = str(body.get("note") or ""), str(body.get("url") or "")
        self.marks.set(body["document_id"], body.get("mark"), url=url, note=note)
        return {"marks": self.marks.counts()}


def _drop_group(group: DropReason) -> dict[str, Any]:
    reason, drops = group.exit.reason, group.drops
    return {
        **group.exit.model_dump(include={"reason", "cause", "count", "share"}),
        "step": group.step.kept_as,
        "shown": len(drops),
        "html": render("documents.html", "drop_sample", reason, group.exit.count, drops),
    }


def application(viewer: Viewer, guard: Guard) -> web.Application:
    app = web.Application(middlewares=[guard.middleware()], client_max_size=2**16)
    for path, (name, kind) in STATIC.items():
        app.router.add_get(path, _text(partial(read_static, name), kind))
    routes: dict[str, Callable[[web.Request], Any]] = {
        "/api/about": lambda r: viewer.about(),
        "/api/choices": lambda r: viewer.documents.choices(),
        "/api/documents": lambda r: viewer.page(r.query, r.query.getall("signal", [])),
        "/api/document/{shard}/{row}": lambda r: viewer.document(_part(r, "shard"), _part(r, "row")),
        "/api/sequences/{document_id}": lambda r: viewer.sequences.of(r.match_info["document_id"]),
        "/api/window/{key}": lambda r: viewer.sequences.window(
            r.match_info["key"], _whole(r.query.get("start", "0")), _whole(r.query.get("tokens", "256")),
            r.query.get("next") == "1",
        ),
        "/api/drops": lambda r: viewer.drops,
        "/api/preview": lambda r: viewer.document_preview.take(
            r.query.get("rule", ""), r.query.get("signal", ""), *_range(r)
        ),
        "/api/image-preview": lambda r: viewer.image_preview.take(r.query.get("signal", ""), *_range(r)),
    }  # fmt: skip
    for path, answer in routes.items():
        app.router.add_get(path, _answer(answer))
    pictures: dict[str, Callable[[web.Request], bytes | None]] = {
        "/image/{shard}/{row}/{position}": lambda r: viewer.documents.image(
            _part(r, "shard"), _part(r, "row"), _part(r, "position")
        ),
        "/sequence-image/{key}/{number}": lambda r: viewer.sequences.image(r.match_info["key"], _part(r, "number")),
        "/fetched-image": lambda r: viewer.image_preview.image(r.query.get("url", "")),
    }
    for path, content in pictures.items():
        app.router.add_get(path, _answer(content, _picture))
    app.router.add_post("/api/mark", _mark(viewer))
    app.router.add_get("/marks.jsonl", _text(viewer.marks.json_lines, "application/x-ndjson", "marks.jsonl"))
    app.router.add_get("/marks.csv", _text(viewer.marks.csv, "text/csv", "marks.csv"))
    return app


Handler = Callable[[web.Request], Any]


def _answer(answer: Callable[[web.Request], Any], form: Callable[[Any], web.Response] = web.json_response) -> Handler:
    """What `answer` returns, in the given form, from a thread; 400 if the request or the dataset is wrong."""

    async def handler(request: web.Request) -> web.Response:
        try:
            return await asyncio.to_thread(lambda: form(answer(request)))
        except (InputError, DatasetError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handler


def _picture(content: bytes | None) -> web.Response:
    """Pictures are encoded again, so that no bytes from the web reach the browser's decoders."""
    picture = None if content is None else thumbnail(content, SIDE)
    if picture is None:  # 204 makes an <img> fail as 404 does, and logs no error in the console
        return web.Response(status=204)
    return web.Response(body=picture, content_type="image/webp")


def _mark(viewer: Viewer) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        try:
            return web.json_response(await asyncio.to_thread(viewer.mark, await request.json()))
        except (InputError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handler


def _text(content: Callable[[], str], kind: str, download: str = "") -> Handler:
    headers = {"Content-Disposition": f'attachment; filename="{download}"'} if download else None

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=content(), content_type=kind, charset="utf-8", headers=headers)

    return handler


def _part(request: web.Request, name: str) -> int:
    return _whole(request.match_info[name])


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InputError(f"{text} is not a whole number")
    return int(text)


def _range(request: web.Request) -> tuple[float | None, float | None]:
    low, high = (parse_number(text, name) if (text := request.query.get(name)) else None for name in ("min", "max"))
    return low, high


def serve(
    viewer: Viewer,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    names: frozenset[str] = frozenset(),
    say: Callable[[str], None] = print,
) -> None:
    """Serve `viewer` until the process is interrupted; `say` gets the address first.

    Beyond this machine every request needs a token; one is made up if none is given. Port 0 takes a free one. Raises
    `InputError` if the address cannot be listened on.
    """
    token = token_for(host, token)
    listening = _listen(host, port)
    app = application(viewer, Guard(token, names))
    shown = host if ":" not in host else f"[{host}]"
    query = f"/?token={token}" if token else "/"
    say(f"{viewer.dataset.path}: http://{shown}:{listening.getsockname()[1]}{query}")
    web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=1, loop=asyncio.new_event_loop())


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen on {host}:{port} ({error}); give another --port or --host") from error
