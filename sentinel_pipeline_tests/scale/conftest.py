"""Files of many kinds, and the two ways in which their rows are dealt with: by this machine, and in
blocks as a cluster's tasks do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline_tests.scale.pipeline import ITEM

ROWS = 400


def row(number: int) -> dict[str, Any]:
    """Code that passes its tests or not, prose, rows repeated and nearly repeated, a benchmark
    item, and rows that cannot be read."""
    about = number // 4 % 60
    words = " ".join(f"word{(about * 7 + step) % 97}" for step in range(14))
    body = "\n".join(f"    value_{step} = value * {about + step}" for step in range(30))
    code = f"def work(value):\n{body}\n    return value_{number % 6}\n"
    prompt = f"Write a Python function work for {words}."
    if number % 11 == 3:
        return {"prompt": "A row without an answer."}
    if number % 11 == 4:
        return {"prompt": f"Tell me about {words}.", "response": f"It is about {words}, é and 字."}
    if number % 11 == 5:
        tests = [f"assert work({number % 2}) == 4", "assert work(0) == 0"]
        return {"prompt": prompt, "response": code, "tests": tests[number % 2 :], "entry_point": "work"}  # fmt: skip
    if number % 97 == 6:
        return {"prompt": ITEM, "response": code}
    return {"prompt": prompt, "response": code}


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """A JSON-lines file with blank, broken and multi-byte lines, a packed one, Parquet files of
    several row groups, a table, and a Parquet file that is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "sources"
    folder.mkdir()
    lines = [json.dumps(row(number), ensure_ascii=False) for number in range(ROWS)]
    lines[10] = ""
    lines[20] = '{"prompt": "unended'
    lines[30] = "\x00"
    (folder / "a.jsonl").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    with gzip.open(folder / "b.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write("\n".join(json.dumps(row(number)) for number in range(40, 90)))
    texts = [
        each for each in map(row, range(ROWS, 2 * ROWS)) if set(each) == {"prompt", "response"}
    ]
    pq.write_table(pa.Table.from_pylist(texts), folder / "c.parquet", row_group_size=90)
    (folder / "d.csv").write_text("prompt,response\nSay hello.,Hello there.\n", encoding="utf-8")
    (folder / "e.parquet").write_bytes(b"PAR1 no table")
    return [folder]
