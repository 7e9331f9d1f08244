"""The part of the dataset card that says, in three lines for each library, how the dataset is read."""

from __future__ import annotations

from string import Template

LOADING = Template("""## How to load it

```python
import datasets
documents = datasets.load_dataset("parquet", data_files="documents/$split-*.parquet", split="train")
print(documents[0]["texts"], documents[0]["images"])
```

```python
import duckdb
documents = "read_parquet('documents/$split-*.parquet')"
duckdb.sql(f"SELECT url, language, signals.words, license FROM {documents} LIMIT 10").show()
```

```python
import polars
documents = polars.scan_parquet("documents/$split-*.parquet")
print(documents.select("url", "texts", "images").head(10).collect())
```

```python
import glob, webdataset
sequences = webdataset.WebDataset(sorted(glob.glob("sequences/$split-*.tar")), shardshuffle=False).decode("pil")
print(next(iter(sequences))["json"]["texts"])
```

`texts` and `images` are parallel lists, null in one where the other has a node; `image_bytes` holds the bytes. A
sequence (one tar sample) is a run of a document's nodes with at most five images; `image_positions` says where they
stand, and `0.jpg`, `1.png`, ... are their bytes in that order. m3w trains on it with `data.dataset: THIS FOLDER`;
`m3w export obelics|mmc4|nemo|hf` writes it in the forms of other projects.
""")


def loading(split: str) -> str:
    """Markdown, with the files of one split."""
    return LOADING.substitute(split=split)
