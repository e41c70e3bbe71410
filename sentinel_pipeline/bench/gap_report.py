"""The gap proof's matrix: models by prompt formats on one suite, as files, as a page for people,
and as conversations to look at.

What this module does not do: decide (``gates.gap`` does) or answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from ..gates.gap import BASES, Gap, Rate, prove
from ..plots import Bar, rate_bars
from ..rates import percent
from ..records import SampleScore, Task
from ..records.gap_spec import GapProof
from ..secrets import mask
from .pairing import paired_counts

Matrix = Mapping[tuple[str, str], Sequence[SampleScore]]
"""(model: base, instruct or alternative; prompt format) -> scored answers to the same items."""


def gap_of(spec: GapProof, matrix: Matrix) -> Gap:
    """The proof from the scored answers.

    Raises:
        BadInput: two cells answered different items.
    """
    rates = [_rate(*key, samples) for key, samples in matrix.items()]
    target = matrix["instruct", "chat"]
    pairs = {
        key: paired_counts(samples, target) for key, samples in matrix.items() if key[0] in BASES
    }
    return prove(spec, rates, pairs)


def _rate(model: str, prompt_format: str, samples: Sequence[SampleScore]) -> Rate:
    outcomes = [sample.outcome for sample in samples]
    infra = outcomes.count("infra")
    return Rate(model, prompt_format, outcomes.count("pass"), len(outcomes) - infra, infra)


def gap_to_json(gap: Gap) -> dict[str, Any]:
    """The proof as plain JSON."""
    return {
        "verdict": gap.verdict,
        "reason": gap.reason,
        "closed_by": gap.closed_by,
        "instruct": {**gap.instruct._asdict(), "interval": list((gap.instruct_interval or ())[:2])},
        "cells": [{**cell._asdict(), "interval": list(cell.interval[:2])} for cell in gap.cells],
    }


def gap_markdown(gap: Gap) -> str:
    """The verdict, then a line for each cell."""
    head = [
        "| model | format | n | Pass@1 [95 %] | McNemar p, Holm | h | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [
        f"| {c.model} | {c.prompt_format} | {c.n} | {percent(c.rate)} [{percent(c.interval.low)}, "
        f"{percent(c.interval.high)}] | {c.p:.2g} | {c.h:+.2f} | {c.verdict} |"
        for c in gap.cells
    ]
    instruct = gap.instruct
    interval = gap.instruct_interval
    if interval:
        span = f"[{percent(interval.low)}, {percent(interval.high)}]"
        rows.append(
            f"| instruct | chat | {instruct.n} | {percent(instruct.passed / instruct.n)} {span} | | | |"
        )
    return "\n".join([f"**{gap.verdict}**: {gap.reason}", "", *head, *rows]) + "\n"


def gap_plot(gap: Gap, spec: GapProof) -> str:
    """The matrix as bars with both bounds."""
    bars = [
        Bar(f"{c.model}, {c.prompt_format}", c.rate, c.interval.low, c.interval.high)
        for c in gap.cells
    ]
    if gap.instruct_interval:
        low, high, _ = gap.instruct_interval
        bars.append(Bar("instruct, chat", gap.instruct.passed / gap.instruct.n, low, high))
    return rate_bars(
        bars,
        "Gap proof: Pass@1, 95 % intervals",
        {"base": spec.max_base_rate, "instruct": spec.min_instruct_rate},
    )


def conversations(
    tasks: Sequence[Task], matrix: Matrix, count: int, seed: int
) -> list[dict[str, Any]]:
    """``count`` items for a person to look at, drawn by seed: the prompt, and every model's answer
    in every format."""
    drawn = Random(f"gap|{seed}").sample(list(tasks), min(count, len(tasks)))
    answers = {
        key: {sample.task_id: sample for sample in samples} for key, samples in matrix.items()
    }
    return [
        {
            "id": task.id,
            "prompt": [turn.to_dict() for turn in task.messages],
            "reference": task.reference,
            "answers": [
                {
                    "model": model,
                    "format": prompt_format,
                    "outcome": by_id[task.id].outcome,
                    "reason": mask(by_id[task.id].reason),
                    "text": mask(by_id[task.id].completion),
                }
                for (model, prompt_format), by_id in answers.items()
            ],
        }
        for task in drawn
    ]
