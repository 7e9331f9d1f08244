"""A small run with everything that the viewer shows, one hostile document in it, and a server of it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web

from m3w.cli.windows import window_cutter
from m3w.pipeline.dataset.assemble import SequenceShardWriter
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.drops import DROPS, Drop
from m3w.pipeline.engine.output_files import RowWriter
from m3w.pipeline.engine.run import Run
from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.pipeline.inspect.viewer import Guard, Viewer, application
from m3w.schemas.cutting import sequences_of
from m3w.schemas.document import InterleavedDocument
from m3w.schemas.manifest import DocumentShard, Manifest, SequenceShard, Split
from m3w.schemas.sequence import INDEX_SCHEMA
from m3w.schemas.table import to_table
from tests.pipeline.inspect.conftest import document, image, jpeg, missing, write_parquet

ATTACK = (
    "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
    "</script><svg onload=document.title='ran'>"
)
RIGHT_TO_LEFT = "\u202eevil\u202c"
LONG_WORD = "x" * 3000
RECIPE = "crawl: {paths: [x]}\nrules: {languages: [en, de], document: {words: {min: 3}}}\n"


def picture(number: int) -> Any:
    return image(
        80 + number, 60, url=f"http://pictures.example/{number}.jpg", sha256=f"{number:064x}", alt=f"picture {number}"
    )


def hostile() -> InterleavedDocument:
    attacked = image(80, 80, url="javascript:document.title='ran'", alt=ATTACK, caption=ATTACK)
    nodes = [ATTACK, RIGHT_TO_LEFT, attacked, LONG_WORD, missing(ATTACK, alt=ATTACK), "four more words here"]
    return document("javascript:document.title='ran'//" + ATTACK, nodes, title=ATTACK + RIGHT_TO_LEFT)


TRAIN = [
    document("http://a.example/robin", ["the robin sings", picture(1), "from the hedge", picture(2)], title="Robin"),
    document("http://b.a.example/wren", ["a wren builds nests", picture(3), "in spring"], title="Wren"),
    document("http://c.example/amsel", ["die Amsel singt laut", picture(4)], title="Amsel", language="de"),
    hostile(),
]
VALIDATION = [document(f"http://d.example/{n}", [f"page number {n} of many", picture(10 + n)]) for n in range(60)]
DROPPED = [
    document("http://e.example/two", ["two words", picture(5)], title="Two"),
    document("http://e.example/french", ["trois mots encore", picture(6)], title="Trois", language="fr"),
]


def write_split(run: Run, name: str, documents: list[InterleavedDocument]) -> Split:
    shard = f"{name}-00000-of-00001"
    write_parquet(Path(run.path) / f"dataset/documents/{shard}.parquet", documents)
    attempt = Attempt(run, "assemble", shard)
    with attempt.create(f"dataset/sequences/{shard}.tar") as file, SequenceShardWriter(file) as tar:
        for each in documents:
            contents = [jpeg(n.width or 1, n.height or 1) if n and n.status == "ok" else None for n in each.images]
            for sequence in sequences_of(each, contents, 5):
                tar.write(sequence)
    with (
        attempt.create(f"dataset/sequences/{shard}.index.parquet") as index_file,
        RowWriter(index_file, INDEX_SCHEMA) as rows,
    ):
        rows.write_columns(tar.index())
    samples = attempt.publish()[0].rows
    return Split(
        documents=[DocumentShard(path=f"documents/{shard}.parquet", sha256="0", bytes=1, documents=len(documents), images=1)],
        sequences=[
            SequenceShard(
                path=f"sequences/{shard}.tar", sha256="0", bytes=1, index=f"sequences/{shard}.index.parquet",
                index_sha256="0", samples=samples, images=1,
            )
        ],
    )  # fmt: skip


def write_rows(path: Path, rows: list[dict[str, Any]], schema: Any) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(to_table(rows, schema), path)


@pytest.fixture(scope="session")
def viewed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run; tests only read it."""
    folder = tmp_path_factory.mktemp("viewed") / "birds"
    run = Run.create(str(folder))
    splits = {"train": write_split(run, "train", TRAIN), "validation": write_split(run, "validation", VALIDATION)}
    counts = {
        "extract": {"documents": 66},
        "filter": {"documents": 64, "documents_dropped.words": 1, "documents_dropped.language": 1},
    }
    manifest = Manifest(m3w_version="0.1.0", recipe_sha256="ab" * 32, splits=splits, counts=counts)
    (folder / "dataset/dataset.json").write_text(manifest.to_json())
    (folder / "recipe.yaml").write_text(RECIPE)
    rows = [each.row() for each in [*TRAIN, *VALIDATION, *DROPPED]]
    write_rows(folder / "documents/extracted/part.parquet", rows, DOCUMENT_SCHEMA)
    drop = Drop(
        kind="document", reason="words", signal="words", value=2, min=3, document_id=DROPPED[0].document_id,
        url=DROPPED[0].url, text=f"two words {ATTACK}",
    )  # fmt: skip
    write_rows(folder / "drops/filter/part.parquet", [drop.row()], DROPS.schema)
    return folder


@dataclass
class Served:
    """A server of the viewer, and what it answers."""

    port: int
    viewer: Viewer
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, *, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """Status, headers and content, JSON as what it says; with `body` a POST of it as JSON."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, sent)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=20) as response:
                return response.status, response.headers, _read(response)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, _read(error)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _read(response: Any) -> Any:
    content = response.read()
    return json.loads(content) if response.headers.get_content_type() == "application/json" else content


Serve = Callable[..., Served]


@pytest.fixture
def serve(viewed_run: Path, tmp_path: Path) -> Iterator[Serve]:
    """Starts a server of a run (the small one if no other is given) with the given guard."""
    stops: list[Callable[[], None]] = []

    def start(run: str | Path = viewed_run, guard: Guard | None = None) -> Served:
        viewer = Viewer(str(run), tmp_path / "marks.jsonl", window_cutter(None))
        listening = socket.create_server(("127.0.0.1", 0))
        loop = asyncio.new_event_loop()
        ready = threading.Event()

        async def up() -> None:
            runner = web.AppRunner(application(viewer, guard or Guard()), access_log=None)
            await runner.setup()
            await web.SockSite(runner, listening).start()
            ready.set()

        thread = threading.Thread(target=lambda: (loop.run_until_complete(up()), loop.run_forever()), daemon=True)
        thread.start()
        assert ready.wait(10)
        stops.append(lambda: (loop.call_soon_threadsafe(loop.stop), thread.join(5))[0])
        return Served(listening.getsockname()[1], viewer)

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()
