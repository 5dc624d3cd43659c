"""The text of a PDF; of one that has none, or does harm, what is wrong with it."""

from pathlib import Path

import pytest
from pdfs import pdf, with_stream

from perpend.documents import PDFReader
from perpend.errors import BadRequest

HOSTILE = {
    "not one": b"hello",
    "half of one": pdf("hello")[:300],
    "a bomb": with_stream(b"\0" * 100_000_000),
    "empty": b"",
}


async def test_its_text() -> None:
    assert (await PDFReader().text(pdf("Six times seven"))).strip() == "Six times seven"


@pytest.mark.parametrize("kind", HOSTILE)
async def test_one_that_cant_be_read_says_why(kind: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await PDFReader().text(HOSTILE[kind])
    assert caught.value.message.startswith("a PDF ")
    assert caught.value.field == "messages"
    assert caught.value.hint


async def test_a_scan_has_no_text() -> None:
    with pytest.raises(BadRequest, match="no text"):
        await PDFReader().text(pdf(""))


async def test_one_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(BadRequest, match=r"more than 0\.001 s"):
        await PDFReader(timeout_s=0.001).text(pdf("hello"))


async def test_without_the_library_it_says_which_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pypdf.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BadRequest, match="aren't read") as caught:
        await PDFReader().text(pdf("hello"))
    assert "perpend[documents]" in str(caught.value.hint)
