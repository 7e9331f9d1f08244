"""Writes a crawl of synthetic sites with captioned CIFAR-10 images as WARC files, the same bytes every time.

    python -m benchmarks.cifar_crawl FOLDER [--data ../shared]

Each page has an introduction and four to eight images of random classes, each followed by a sentence that names the
class and a fact about it. Hosts are named so that training images are on pages that `m3w build` puts into the training
split, and test images on pages of the validation split. Every image is used once.
"""

from __future__ import annotations

import argparse
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

from m3w.pipeline.dataset.join import split_of
from m3w.pipeline.demo_crawl.pack import START, Archive, Exchange

SHARED = Path(__file__).parents[2] / "shared"
ARCHIVE = "data/cifar10/cifar10_jpg_subset.zip"
FEWEST, MOST = 4, 8
PAGES_OF_A_SITE = 25
PAGES_OF_A_FILE = 300
VALIDATION_FRACTION = 0.05
"""Of the recipe that the crawl is for: its split is a hash of the host."""

FACTS = {
    "airplane": ("It has two wings and flies above the clouds.", "It took off from the airport in the morning."),
    "automobile": ("It has four wheels and was parked in the street.", "Its engine started at once."),
    "bird": ("It has feathers and sings in the trees.", "It built its nest in spring."),
    "cat": ("It purrs when it is stroked.", "It likes to sleep on the sofa and hunts mice."),
    "deer": ("It lives in the forest and eats leaves.", "It ran away over the meadow when we came near."),
    "dog": ("It barks at strangers and wags its tail.", "It fetched the stick that we threw."),
    "frog": ("It jumps into the pond and croaks at night.", "Its skin is wet and it catches flies."),
    "horse": ("It gallops over the field with a rider.", "It stood in the stable and ate hay."),
    "ship": ("It sails across the sea.", "It left the harbour with its cargo."),
    "truck": ("It carries a heavy load along the motorway.", "Its driver stopped to unload the boxes."),
}
"""What is said of each class."""

NAMINGS = (
    "This is a photo of {a} {name}.",
    "The picture shows {a} {name}.",
    "Here we see {a} {name}.",
    "This is {a} {name}.",
    "A photo of {a} {name}.",
)

PLACES = (
    "the coast",
    "the north",
    "a small town",
    "the valley",
    "the old city",
    "the hills",
    "an island",
    "the plains",
)
MONTHS = ("January", "March", "April", "June", "July", "September", "October", "December")
PEOPLE = ("Anna", "Peter", "Maria", "John", "Helen", "David", "Ruth", "Thomas")
OPENINGS = (
    "These pictures were taken in {month} by {person}, who travelled through {place} with a small camera.",
    "In {month} we walked through {place}, and {person} took a picture of everything that was worth one.",
    "{person} sent us this album from {place}. The pictures are small, but one can see what is on them.",
)
CLOSINGS = ("We will go there again next year.", "More pictures will follow.", "Thank you for looking at our album.")


def articled(name: str) -> str:
    """The name with `a` or `an` before it."""
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def naming(template: str, name: str) -> str:
    """The sentence of `template` with the name in it."""
    return template.replace("{a} {name}", articled(name))


def pictures(archive: Path, split: str) -> list[tuple[str, bytes]]:
    """Class and JPEG of each picture of `train` or `test`, in one drawn order."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.startswith(f"{split}/") and name.endswith(".jpg"))
        images = [(name.split("/")[1], file.read(name)) for name in names]
    Random(f"cifar/{split}").shuffle(images)
    return images


def hosts(split: str) -> Iterator[str]:
    """Names of sites whose pages `m3w build` puts into `split`."""
    number = 0
    while True:
        host = f"album-{number}.example"
        if split_of(f"https://{host}/", VALIDATION_FRACTION) == split:
            yield host
        number += 1


def pages(shown: list[tuple[str, bytes]], split: str) -> Iterator[list[Exchange]]:
    """Each page with its pictures' responses."""
    draw, sites, start, number = Random(f"pages/{split}"), hosts(split), 0, 0
    host = next(sites)
    while start < len(shown):
        count = draw.randint(FEWEST, MOST)
        yield _page(host, number, shown[start : start + count], draw)
        start, number = start + count, number + 1
        if number % PAGES_OF_A_SITE == 0:
            host = next(sites)


def _page(host: str, number: int, shown: list[tuple[str, bytes]], draw: Random) -> list[Exchange]:
    words = {"month": draw.choice(MONTHS), "person": draw.choice(PEOPLE), "place": draw.choice(PLACES)}
    title = f"An album from {words['place']}, {words['month']}"
    blocks = [f"<p>{draw.choice(OPENINGS).format(**words)}</p>"]
    responses = []
    for turn, (name, content) in enumerate(shown):
        url = f"https://{host}/pictures/{number}-{turn}.jpg"
        responses.append(Exchange(url=url, body=content, content_type="image/jpeg"))
        blocks.append(f'<img src="/pictures/{number}-{turn}.jpg">')
        blocks.append(f"<p>{naming(draw.choice(NAMINGS), name)} {draw.choice(FACTS[name])}</p>")
    blocks.append(f"<p>{draw.choice(CLOSINGS)}</p>")
    text = "\n".join(blocks)
    html = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><main><article><h1>{title}</h1>\n{text}\n</article></main></body></html>"
    )
    page = Exchange(url=f"https://{host}/album/{number}.html", body=html.encode(), content_type="text/html")
    return [page, *responses]


def write_crawl(folder: Path, archive: Path, *, each: int | None = None) -> dict[str, int]:
    """WARC files of all pages in `folder`; how many pictures there are of each split. `each`: at most so many."""
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = defaultdict(int)
    number = 0
    for source, split in (("train", "train"), ("test", "validation")):
        shown = pictures(archive, source)[:each]
        counts[split] = len(shown)
        split_pages = list(pages(shown, split))
        for start in range(0, len(split_pages), PAGES_OF_A_FILE):
            _write(folder / f"cifar-{number:05d}.warc.gz", split_pages[start : start + PAGES_OF_A_FILE])
            number += 1
    return dict(counts)


def _write(path: Path, pages_of_file: list[list[Exchange]]) -> None:
    archive, moment = Archive(path, "cifar"), START
    archive.info(moment)
    for page in pages_of_file:
        for exchange in page:
            archive.add(exchange, moment)
            moment += timedelta(seconds=1)
    archive.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=SHARED)
    words = parser.parse_args()
    counts = write_crawl(words.folder, words.data / ARCHIVE)
    print(f"{counts['train']} pictures to train on and {counts['validation']} held out, in {words.folder}")


if __name__ == "__main__":
    main()
