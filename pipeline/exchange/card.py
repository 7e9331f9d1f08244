"""The `README.md` of an exported folder: what it holds and how the other project reads it."""

from __future__ import annotations

from string import Template

LOADING = {
    "obelics": """Rows as OBELICS has them: `images` (URLs), `metadata`, `general_metadata`, `texts`. They hold no image
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
