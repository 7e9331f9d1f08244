"""Figures in words, the same on the terminal, in the report and in the viewer."""

from __future__ import annotations

from m3w.pipeline.inspect.figures import Bin, Distribution, Frequencies, Repetition, Tokens

KIB = 1024


def number(value: float) -> str:
    """`12,345`; a fraction keeps two digits."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.2f}".rstrip("0")


def short(value: float) -> str:
    """At most seven characters: `0.0123`, `412`, `12,345`, `1.2e+06`."""
    if abs(value) >= 100_000:
        return f"{value:.2g}"
    return number(value) if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def percent(share: float) -> str:
    """`12.3 %`; never `0.0 %` or `100.0 %` for what is not quite that."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share * 100:.1f} %"


def size(count: float) -> str:
    """Bytes, by powers of 1024."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < KIB:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}".replace(".0", "")
        count /= KIB
    return f"{count:,.1f} TiB"


def bin_label(shown: Bin, distribution: Distribution) -> str:
    """`50-74` for whole numbers, `16-32 KiB` for bytes, `1.05-1.25` for ratios; the last is `100 or more`."""
    if distribution.unit == "bytes":
        return f"{size(shown.low)} or more" if shown.high is None else f"{_from(shown)}–{size(shown.high)}"
    if shown.high is None:
        return f"{number(shown.low)} or more"
    if not distribution.whole:
        return f"{number(shown.low)}–{number(shown.high)}"
    last = shown.high - 1
    return number(shown.low) if last == shown.low else f"{number(shown.low)}–{number(last)}"


def _from(shown: Bin) -> str:
    """The lower end of a range in bytes, without its unit where the upper end has the same."""
    low, high = size(shown.low), size(shown.high or 0)
    return low.split()[0] if low.split()[1] == high.split()[1] or not shown.low else low


def shown_bins(distribution: Distribution) -> list[Bin]:
    """The bins from the first to the last that is not empty; empty neighbours are merged."""
    filled = [index for index, each in enumerate(distribution.bins) if each.count]
    shown: list[Bin] = []
    for each in distribution.bins[filled[0] : filled[-1] + 1] if filled else ():
        if shown and not each.count and not shown[-1].count:
            each = Bin(low=shown.pop().low, high=each.high, count=0)
        shown.append(each)
    return shown


def summary(distribution: Distribution) -> str:
    """One line: `median 138, mean 160.5, 9 of 10 in 20–900, all in 12–2,301`."""
    if distribution.mean is None or distribution.lowest is None or distribution.highest is None:
        return "none known"
    form = size if distribution.unit == "bytes" else number
    unknown = f"; {number(distribution.missing)} unknown" if distribution.missing else ""
    if distribution.lowest == distribution.highest:
        return f"all {form(distribution.lowest)}{unknown}"
    percentiles = distribution.percentiles
    return (
        f"median {form(percentiles['50'])}, mean {form(round(distribution.mean, 2))}, "
        f"9 of 10 in {form(percentiles['5'])}–{form(percentiles['95'])}, "
        f"all in {form(distribution.lowest)}–{form(distribution.highest)}{unknown}"
    )


def counted(count: float, word: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number(count)} {word}" if count == 1 else f"{number(count)} {word}s"


def kinds(frequencies: Frequencies) -> str:
    """`265 documents, 24 values`."""
    about = "" if frequencies.exact else "at least "
    return f"{number(frequencies.total)} {frequencies.unit}, {about}{counted(frequencies.distinct, 'value')}"


def repetition_summary(repetition: Repetition) -> str:
    """`2,031 images, 1,980 different ones; 2.5 % repeat another byte for byte`."""
    about = "" if repetition.exact else "about "
    return (
        f"{counted(repetition.images, 'image')}, {about}{number(repetition.distinct)} different; "
        f"{percent(repetition.share)} repeat another byte for byte"
    )


def tokens_summary(tokens: Tokens) -> str:
    """`about 1,234,567 tokens by gpt2 (4.41 characters a token, from 20,000 documents)`."""
    about = "" if tokens.exact else "about "
    ratio = tokens.characters / tokens.counted if tokens.counted else 0
    return (
        f"{about}{number(tokens.estimated)} tokens by {plain(tokens.tokenizer)} ({ratio:.2f} characters a token, from "
        f"{counted(tokens.documents, 'document')}); a document: {summary(tokens.per_document)}"
    )


def plain(text: str) -> str:
    """Text from the web or of a path without control characters, as one line."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def short_name(dataset: str) -> str:
    """The name of the run or dataset: the last folder of its path but `dataset`; of `x/run` both."""
    names = [name for name in dataset.rstrip("/").split("/") if name and name != "dataset"]
    return "/".join(names[-2:] if names[-1:] == ["run"] else names[-1:]) or dataset


TRACKS = {"pages": "From records to documents", "images": "From image references to images"}
