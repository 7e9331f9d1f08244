"""`m3w export`: a dataset in the format of another project, one file for each of its Parquet shards.

The folder is a run of one stage, so that it resumes, sets damaged shards aside and works on a cluster as a build does:
`data/` has the files, `README.md` says how to read them, and `ledger/` records what is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Template
from typing import Any

import pyarrow as pa

from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.inputs import sum_counters
from m3w.pipeline.engine.output_files import OutputFile, RowWriter, TarWriter
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.run_lock import locked
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Part, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.engine.table import Table
from m3w.pipeline.exchange import mmc4, nemo, obelics
from m3w.pipeline.exchange.documents import exported_nodes
from m3w.recipes.errors import InputError
from m3w.schemas.dataset import open_dataset
from m3w.schemas.document import ROW_GROUP_BYTES, TIME

ROWS_AT_ONCE = 16
Row = dict[str, Any]


HF_FIELDS = [
    pa.field("document_id", pa.string()),
    pa.field("url", pa.string()),
    pa.field("title", pa.string()),
    pa.field("language", pa.string()),
    pa.field("crawled_at", TIME),
    pa.field("texts", pa.list_(pa.string())),
    pa.field("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
]


def _value(kind: str) -> dict[str, str]:
    return {"dtype": kind, "_type": "Value"}


HF_FEATURES = {
    **{name: _value("string") for name in ("document_id", "url", "title", "language")},
    "crawled_at": _value("timestamp[us, tz=UTC]"),
    "texts": {"feature": _value("string"), "_type": "List"},
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
}
"""As the library `datasets` writes them itself, so that it decodes the images."""
HF_SCHEMA = pa.schema(HF_FIELDS, metadata={"huggingface": json.dumps({"info": {"features": HF_FEATURES}})})


def hf_rows(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row of `HF_SCHEMA`: parallel lists of texts and decoded images, null in one where the other has a node."""
    nodes = list(exported_nodes(row))
    own = {name: row[name] for name in ("document_id", "url", "title", "language", "crawled_at")}
    return [
        {
            **own,
            "texts": [text for text, _, _ in nodes],
            "images": [{"bytes": content, "path": None} if image else None for _, image, content in nodes],
        }
    ]


@dataclass(frozen=True)
class Form:
    """How a format is written."""

    suffix: str
    rows: Callable[[Row], list[Row]]
    """The rows to write for a row of the dataset."""
    schema: pa.Schema | None = None
    """Schema of the Parquet file; None for a tar of JSON files."""


FORMS = {
    "obelics": Form(".parquet", obelics.write, obelics.SCHEMA),
    "mmc4": Form(".tar", mmc4.write),
    "nemo": Form(".parquet", nemo.write, nemo.SCHEMA),
    "hf": Form(".parquet", hf_rows, HF_SCHEMA),
}


EXPORTED = {suffix: Table("data", suffix=suffix) for suffix in (".parquet", ".tar")}


@settings
class ExportSettings:
    """What is exported; no recipe says so, the command's arguments do."""

    format: str = key("format")
    dataset: str = key("dataset", effect="inputs")


def export(
    form: str, dataset: str, out: str, *, address: str | None = None, progress: Progress | None = None
) -> dict[str, int]:
    """Write the dataset (or that of the run) at `dataset` to the folder `out`; what was counted.

    Raises `InputError` for an unknown form, or a folder that holds something else; `DatasetError` if there is no
    dataset; `StageFailed` where a shard could not be exported.
    """
    if form not in FORMS:
        raise InputError(f"{form} is not a format to export to, so nothing was written; give one of {', '.join(FORMS)}")
    source = open_dataset(dataset)
    run, execution, progress = Run.create(out), Execution(), progress or Progress()
    parts = [
        Part(
            name=PurePosixPath(shard.path).stem,
            inputs=[f"{shard.path} of sha256 {shard.sha256}"],
            params={"path": shard.path},
        )
        for shard in source.document_shards
    ]
    with locked(run, execution.driver_timeout_s, progress.state, progress.note) as lock:
        executor = Executor(run, execution, progress, address=address, check=lock.check)
        entries = executor.run_parts(export_shard, ExportSettings(format=form, dataset=source.path), parts)
        counters = dict(sum_counters(entries.values()))
        run.write_if_changed("README.md", export_card(form, counters, sorted(source.manifest.splits)))
        run.remove("tmp")
    return counters


@per_part(name="export", writes=list(EXPORTED.values()), settings=ExportSettings, units=("documents", "images"))
def export_shard(io: StageIO, export: ExportSettings) -> None:
    """Write what the shard's documents become; one without an image left has no row."""
    form = FORMS[export.format]
    with io.create(EXPORTED[form.suffix]) as file, _Writer(file, form) as write:
        for row in _rows(export.dataset, io.params["path"]):
            if not any(content is not None for content in row["image_bytes"]):
                io.count_dropped("documents", "no_image")
                continue
            io.counters["documents"] += 1
            io.counters["images"] += sum(content is not None for content in row["image_bytes"])
            for made in form.rows(row):
                write(row["document_id"], made)


def _rows(dataset: str, path: str) -> Iterator[Row]:
    for batch in open_dataset(dataset).open_parquet(path).iter_batches(batch_size=ROWS_AT_ONCE):
        yield from batch.to_pylist()


class _Writer:
    """A file of a form: a function that takes a document's id and one of its rows."""

    def __init__(self, file: OutputFile, form: Form):
        self._file = file
        self._writer: RowWriter | TarWriter = (
            TarWriter(file) if form.schema is None else RowWriter(file, form.schema, max_bytes=ROW_GROUP_BYTES)
        )

    def __enter__(self) -> Callable[[str, Row], None]:
        self._writer.__enter__()
        return self._write

    def __exit__(self, *failure: Any) -> None:
        self._writer.__exit__(*failure)

    def _write(self, document_id: str, row: Row) -> None:
        if isinstance(self._writer, RowWriter):
            self._writer.write(row)
        else:
            self._writer.add(f"{document_id}.json", json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
            self._file.rows += 1


LOADING = {
    "obelics": """Rows as OBELICS has them: `images` (URLs), `metadata`, `general_metadata`, `texts`. They have no image
bytes: the URLs are to be fetched, by img2dataset or by `m3w import obelics`.

```python
import datasets
documents = datasets.load_dataset("parquet", data_files="data/$split-*.parquet", split="train")
print(documents[0]["texts"], documents[0]["images"])
```
""",
    "mmc4": """Tars of one JSON object a document, as OpenFlamingo trains on them (`--mmc4_shards`).
Each image stands before the text that it is matched to with similarity 1; where two images follow one another, or no
text follows, that text is empty.

```python
import glob, webdataset
documents = webdataset.WebDataset(sorted(glob.glob("data/$split-*.tar")), shardshuffle=False).decode()
print(next(iter(documents))["json"]["text_list"])
```
""",
    "nemo": """Rows as NeMo Curator's interleaved stages have them, one for each node, with the images' bytes.

```python
from nemo_curator.stages.interleaved.io.reader import InterleavedParquetReader
reader = InterleavedParquetReader(file_paths="data/", fields=("url", "image_url", "alt", "caption"))
```
""",
    "hf": """Rows with the images as pictures; `texts` and `images` are parallel lists, null where the other has a node.

```python
import datasets
documents = datasets.load_dataset("parquet", data_files="data/$split-*.parquet", split="train")
print(documents[0]["texts"], documents[0]["images"])
```
""",
}


def export_card(form: str, counters: dict[str, int], splits: list[str]) -> str:
    """Markdown; a function of its arguments alone."""
    loading = Template(LOADING[form]).substitute(split="train" if "train" in splits else splits[0])
    return (
        f"# An m3w dataset, exported as {form}\n\n"
        f"{counters.get('documents', 0):,} documents, {counters.get('images', 0):,} images; splits: "
        f"{', '.join(splits)}. The texts and images belong to the owners of the pages they were found on.\n\n{loading}"
    )
