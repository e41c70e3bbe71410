"""Lines that were written to their end, and a last one that a kill tore."""

from __future__ import annotations

import io

import pytest

from sentinel_pipeline.store.files import cut_torn_line, whole_lines


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"", b""),
        (b"torn", b""),
        (b"one\n", b"one\n"),
        (b"one\ntwo", b"one\n"),
        (b"\n\ntorn \xff", b"\n\n"),
        ("a\u2028b\n".encode(), "a\u2028b\n".encode()),
    ],
)
def test_only_a_torn_last_line_is_cut(data: bytes, whole: bytes) -> None:
    stream = io.BytesIO(data)
    assert b"".join(whole_lines(stream)) == whole
    cut_torn_line(stream)
    assert stream.getvalue() == whole
    stream.write(b"next\n")
    assert stream.getvalue() == whole + b"next\n"
