"""Strategies for what people and models hand in: rows, answers, recipes, messages of the judge's
wire, lines for the review queue; and how many of each were made."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from typing import Any

from hypothesis import strategies as st

from sentinel_pipeline.sandbox.guest import codec
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.fuzz.rows import ANSWERS, KEYS, fuzzed_lines
from sentinel_pipeline_tests.review.material import SEED_RECORD

COUNTS = Counter[str]()
"""What was made, by kind."""

TEXT = st.text(st.characters(codec=None), max_size=40)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXT, inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip


def line_of(value: Any) -> bytes:
    return json.dumps(value).encode()


LINES = (
    st.integers(0, 10**9).map(lambda seed: next(fuzzed_lines(1, seed)))
    | JUNK.map(line_of)
    | st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"").strip() or b"?")
)
"""Lines of a data file; none is blank."""

PIECES = st.sampled_from(
    (
        *ANSWERS,
        *("```", "~~~", "```python\n", "    ", "<think>", "</think>", "[THINK]", "<tool_call>", "</tool_call>", "{", "}", "[", '"'),
        *("\\boxed{", "####", "<|im_end|>", "[PYTHON]", "diff --git a/f b/f\n", "@@ -1 +1 @@\n", "\n", "\r\n", "\ud800", "\0"),
        *("<|channel|>final<|message|>", "R$ 1.234,56", "NaN", "'", "...", "$ ls\n", "Answer: "),
    )
)  # fmt: skip
COMPLETIONS = st.lists(PIECES | TEXT, max_size=6).map("".join)

RECIPES = [
    tomllib.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "data" / "recipes").glob("*.toml"))
]
RECIPE_VALUES = (
    st.booleans()
    | st.integers()
    | st.sampled_from((10**12, -1, 0, 2**63, 1e-300, float("inf"), float("nan"), "", "sft", "../x"))
    | st.floats()
    | st.text(max_size=8)
    | st.lists(st.integers() | st.text(max_size=4), max_size=3)
    | st.dictionaries(st.text(min_size=1, max_size=4), st.integers() | st.floats(), max_size=3)
)

WIRE = st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*codec.UNPACKERS, "h", "pickle"]), inner, max_size=2)
    ),
    max_leaves=12,
).map(lambda node: json.dumps(node).encode())


@st.composite
def review_lines(draw: st.DrawFn) -> bytes:
    """A line of a file of failures, a record with one odd field or something else."""
    if draw(st.booleans()):
        return draw(LINES)
    record = dict(SEED_RECORD) | {"id": f"r{draw(st.integers(0, 9))}"}
    field = draw(st.sampled_from(sorted(record)))
    if draw(st.booleans()):
        record[field] = draw(JUNK)
    else:
        del record[field]
    return line_of(record)
