"""Bytes to text: what declares the encoding, in which order, and what happens without."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3w.pipeline.extract.decode import PRESCAN_BYTES, declared_encoding, decode, is_html

CYRILLIC = "Съешь же ещё этих мягких французских булок, да выпей чаю. "


def test_a_mark_wins_over_the_header() -> None:
    assert decode("\ufeffé".encode(), "text/html; charset=windows-1251")[0] == "é"
    assert decode("\ufeffé".encode("utf-16-le"), "text/html; charset=utf-8")[0] == "é"


def test_the_header_wins_over_the_meta() -> None:
    html = b"<meta charset=windows-1252>" + CYRILLIC.encode("cp1251")
    assert decode(html, 'text/html; charset="windows-1251"')[0].endswith(CYRILLIC)


def test_a_meta_names_the_encoding() -> None:
    assert decode(b"<meta charset=koi8-r>" + CYRILLIC.encode("koi8-r"))[0].endswith(CYRILLIC)


def test_a_meta_beyond_the_prescan_counts_too() -> None:
    html = b"<title>" + b"x" * PRESCAN_BYTES + b"</title><meta charset=windows-1251>" + CYRILLIC.encode("cp1251")
    assert decode(html)[0].endswith(CYRILLIC)


def test_latin_1_is_read_as_windows_1252() -> None:
    assert decode(b"<meta charset=iso-8859-1>\x80")[0].endswith("€")


def test_gb2312_is_read_with_all_of_gb18030() -> None:
    assert decode(b"<meta charset=gb2312>" + "镕".encode("gb18030"))[0].endswith("镕")


def test_a_meta_gives_way_to_utf8_that_cannot_be_chance() -> None:
    html = b"<meta charset=gb2312>" + ("人工智能" * 20).encode()
    assert decode(html)[0].endswith("人工智能")


def test_declared_utf8_that_is_not_goes_to_detection() -> None:
    assert decode(b"<meta charset=utf-8>" + (CYRILLIC * 20).encode("cp1251"))[0].endswith(CYRILLIC)


def test_a_few_bad_bytes_become_replacement_characters() -> None:
    assert decode(b"<meta charset=utf-8>" + "Füße ".encode() * 9 + b"\xff")[0].endswith("Füße \ufffd")


def test_nul_bytes_are_left_out() -> None:
    assert decode(b"a\0b\0" + b"c" * 2000)[0].startswith("abc")


def test_an_unknown_encoding_label_is_ignored() -> None:
    assert decode(b"<meta charset=klingon>" + "é".encode())[0].endswith("é")


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"GIF89a", b"\xff\xd8\xff\xe0", b"\x1f\x8b\x08"])
def test_files_of_other_kinds_are_no_pages(start: bytes) -> None:
    assert not is_html(start + b"\x00\x01\x02" * 100)


def test_the_content_type_decides_whether_it_is_html() -> None:
    assert not is_html(b"<p>x", "image/png")
    assert is_html(b"<p>x", "text/html")
    assert is_html(b"<p>x", "application/xhtml+xml")


@pytest.mark.parametrize("name", ["tests1.dat", "tests2.dat", "test-yahoo-jp.dat"])
def test_the_prescan_agrees_with_html5lib(shared_data: Path, name: str) -> None:
    cases = (shared_data / "encodings/html5lib-tests/encoding" / name).read_bytes().split(b"#data\n")[1:]
    assert cases
    for case in cases:
        data, _, rest = case.partition(b"\n#encoding\n")
        wanted = rest.split(b"\n")[0].strip().decode().lower()
        if data.startswith(b"\xef\xbb\xbf"):
            assert decode(data)[1] == wanted
        else:  # some cases declare beyond the first 1,024 bytes, as the parser itself would find it
            assert (declared_encoding(data[:PRESCAN_BYTES]) or declared_encoding(data) or "windows-1252") == wanted


def test_files_without_a_declaration_are_decoded_right(shared_data: Path) -> None:
    from benchmarks.extract import decoded_right

    right, files = 0, 0
    for folder in sorted((shared_data / "encodings/chardet/tests").iterdir()):
        shares = [decoded_right(path, folder.name) for path in sorted(folder.iterdir())]
        right, files = right + sum(shares), files + len(shares)
    assert files > 200
    assert right / files >= 0.98
