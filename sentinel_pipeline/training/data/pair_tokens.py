"""Preference pairs as token ids: the prompt as generation will feed it, either side tokenized apart
and ended by the stop token.

Rendering, the border between prompt and answer, and what is refused are those of ``tokens``: a pair
is two of its rows. A pair of which one side does not fit is dropped whole, and so is one whose
sides differ in their thoughts alone where those are not trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadInput
from ...records.recipe import Recipe
from ...records.stages import Pool
from ...store import read_jsonl
from .tokens import (
    IGNORED,
    Encoded,
    TokenReport,
    check_turns,
    encode_rows,
    parted_rows,
    refuse_nonsense,
    report_of,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class EncodedPair(NamedTuple):
    """Token ids of a pair; the sides end with the stop token."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


class PreparedPairs(NamedTuple):
    pairs: list[EncodedPair]
    report: TokenReport
    """Rows and kept rows are pairs; tokens are those of both sequences, the prompt counted twice,
    as training reads it."""


def prepare_pairs(
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    *,
    train_on_thoughts: bool = False,
) -> PreparedPairs:
    """Read, render and tokenize the pairs of ``path``; refuses what would train nonsense.

    Raises:
        BadInput: no pairs, a row of another shape or with two equal sides (by line), a template
            that renders training and inference differently or trains no stop token, or too many of
            the pairs lost.
    """
    if not path.is_file():
        raise BadInput("no such file of preference pairs.", file=path)
    counts = {"rows": 0, "too_long": 0, "fully_masked": 0, "prefix_differs": 0, "thoughts": 0}
    pairs: list[EncodedPair] = []
    encoded: list[Encoded] = []
    parted = parted_rows(_sides(path), train_on_thoughts, counts)
    sides = encode_rows(parted, tokenizer)
    for chosen, rejected in zip(sides, sides, strict=True):
        counts["rows"] += 1
        if chosen is None or rejected is None:
            counts["prefix_differs"] += 1
        elif (
            not chosen.completion
            or not rejected.completion
            or chosen.completion == rejected.completion
        ):
            counts["fully_masked"] += 1
        elif (
            len(chosen.prompt) + max(len(chosen.completion), len(rejected.completion)) > max_length
        ):
            counts["too_long"] += 1
        else:
            pairs.append(EncodedPair(chosen.prompt, chosen.completion, rejected.completion))
            encoded += [
                Encoded(
                    side.prompt + side.completion, [IGNORED] * len(side.prompt) + side.completion
                )
                for side in (chosen, rejected)
            ]
    both = report_of(encoded, counts, tokenizer)
    report = replace(both, kept=len(pairs), stop_trained=both.stop_trained // 2)
    refuse_nonsense(report, path, max_length, "dpo.max_length")
    return PreparedPairs(pairs, report)


def _sides(path: Path) -> Iterator[tuple[Any, Any]]:
    """Prompt and answer of the chosen, then of the rejected side of each row."""
    for line, row in enumerate(read_jsonl(path), start=1):
        parts = [row.get(name) for name in ("prompt", "chosen", "rejected")]
        check_turns(
            parts, "{'prompt': [turns], 'chosen': [turns], 'rejected': [turns]}", path, line
        )
        if row["chosen"] == row["rejected"]:
            raise BadInput("its two sides are equal: nothing to prefer.", file=path, line=line)
        yield row.get("prompt"), row.get("chosen")
        yield row.get("prompt"), row.get("rejected")


def expected_pairs(recipe: Recipe, pool: Pool) -> int:
    """A pair a prompt, at most."""
    tasks = pool.total + (pool.judged if recipe.pairs.ranked_by == "judge" else 0)
    return min(recipe.pairs.prompts, tasks)
