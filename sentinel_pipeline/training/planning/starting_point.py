"""The starting point by a short probe (the auto-critic plan): which of the candidates training
starts from, and why.

The candidates answer the same items in the same format. The first named is taken unless a later one
passes significantly more of them: forty answers are few, and a lucky sample does not justify
leaving the preferred model. What this module does not do: answer (a worker does), or gate: the base
model's report judges what was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...bench.pairing import paired_counts
from ...errors import GateRefused, Infrastructure
from ...gates.statistics import mcnemar_exact, wilson
from ...markdown import cell
from ...rates import percent, with_interval
from ...records import SampleScore
from ...records.recipe import Recipe
from ...records.report import MAX_INFRA_SHARE
from ...store import Artifact, Home, Store
from ...worker.jobs import AnswerJob, answer_job, read_job, write_job
from ...worker.models import files_hash
from .gap_models import has_chat_template

ALPHA = 0.05
"""Error rate of leaving the preferred candidate without cause, divided among the others."""


class Probed(NamedTuple):
    """A candidate and its scored answers."""

    name: str
    model: dict[str, Any]
    """What ``resolve_model`` says of it."""
    samples: Sequence[SampleScore]


class Start(NamedTuple):
    """The choice; ``rows`` has one for each candidate, in the recipe's order."""

    chosen: Probed
    teacher: Probed
    """The best of the others: what ``sft.distillation`` learns from."""
    reason: str
    rows: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        teacher = {"name": self.teacher.name, **self.teacher.model}
        return {
            "chosen": self.chosen.name,
            "reason": self.reason,
            "candidates": self.rows,
            "teacher": teacher,
        }

    def to_markdown(self) -> str:
        lines = [
            "| candidate | source | n | probe passed [95 %] | better than the preferred one |",
            "|---|---|---|---|---|",
        ]
        for row in self.rows:
            mark = " (chosen)" if row["name"] == self.chosen.name else ""
            against = (
                "–" if row["p"] is None else f"+{row['gained']} −{row['lost']}, p {row['p']:.2g}"
            )
            rate = with_interval(row["rate"], row["interval"])
            lines.append(
                f"| {cell(row['name'])}{mark} | {cell(row['source'])} | {row['n']} | {rate} | {against} |"
            )
        return "\n".join([*lines, "", self.reason])


def probe_job(
    recipe: Recipe,
    model: dict[str, Any],
    suites: dict[str, Path],
    logs: Path,
    prompt_format: str,
    home: Home,
) -> Path:
    """Write the job in which one candidate answers the probe's suites in one prompt format; returns
    the job file's path."""
    job = read_job(answer_job(recipe, model["folder"], suites, logs, home, files_hash(model)))
    assert isinstance(job, AnswerJob)
    decoding = replace(job.decoding, temperature=0.0, prompt_format=prompt_format)  # type: ignore[arg-type]  # chat or cue
    return write_job(replace(job, samples=1, decoding=decoding))


def probe_format(folders: Sequence[Path]) -> str:
    """One format for all: the chat template where everyone has one, else a plain cue."""
    return "chat" if all(map(has_chat_template, folders)) else "cue"


def choose(probed: Sequence[Probed], min_rate: float) -> Start:
    """The first candidate, or the one that passes significantly more of the same items.

    Raises:
        GateRefused: the chosen one passes no item, or its whole interval is below ``min_rate``: two
            candidates that can do nothing are not made a start by comparing them.
        Infrastructure: too many answers of a candidate could not be scored.
    """
    rows = [_row(candidate, probed[0]) for candidate in probed]
    limit = ALPHA / max(len(probed) - 1, 1)
    better = [row for row in rows[1:] if row["gained"] > row["lost"] and row["p"] < limit]
    best = max(better, key=lambda row: row["gained"] - row["lost"], default=rows[0])
    if best["passed"] == 0 or best["interval"][1] < min_rate:
        passed = "; ".join(
            f"{row['name']} {row['passed']} of {row['n']} [{percent(row['interval'][0])}, "
            f"{percent(row['interval'][1])}]"
            for row in rows
        )
        raise GateRefused(
            f"no starting point passes the probe: {passed}; expected at least {percent(min_rate)}. "
            "Name other model.candidates, or lower model.min_probe where the probe asks for too much."
        )
    others = [row for row in rows if row is not best]
    teacher = max(others, key=lambda row: row["passed"])
    by_name = {candidate.name: candidate for candidate in probed}
    return Start(
        by_name[best["name"]],
        by_name[teacher["name"]],
        _reason(best, rows[0], teacher, limit),
        rows,
    )


def _row(candidate: Probed, preferred: Probed) -> dict[str, Any]:
    infra = sum(sample.outcome == "infra" for sample in candidate.samples)
    n = len(candidate.samples) - infra
    passed = sum(sample.outcome == "pass" for sample in candidate.samples)
    if n == 0 or infra > MAX_INFRA_SHARE * len(candidate.samples):
        raise Infrastructure(
            f"{infra} of {candidate.name}'s {len(candidate.samples)} answers could not be scored: run again."
        )
    row: dict[str, Any] = {
        "name": candidate.name,
        "source": candidate.model["source"],
        "n": n,
        "passed": passed,
        "infra": infra,
    }
    row |= {
        "rate": round(passed / n, 6),
        "interval": [round(bound, 6) for bound in wilson(passed, n)],
    }
    if candidate is preferred:
        return row | {"gained": 0, "lost": 0, "p": None}
    table = paired_counts(preferred.samples, candidate.samples)
    return row | {
        "gained": table.gained,
        "lost": table.lost,
        "p": mcnemar_exact(table.gained, table.lost),
    }


def _reason(
    best: dict[str, Any], preferred: dict[str, Any], rival: dict[str, Any], limit: float
) -> str:
    rate = f"{best['name']} passes {percent(best['rate'])} of {best['n']}"
    if best is not preferred:
        return (
            f"{rate}, {preferred['name']}, which is preferred, {percent(preferred['rate'])}: {best['gained']} items gained and "
            f"{best['lost']} lost, p {best['p']:.2g} < {limit:.3g}."
        )
    return (
        f"{rate} and is preferred; {rival['name']} ({percent(rival['rate'])}) is not better beyond chance: {rival['gained']} items "
        f"gained and {rival['lost']} lost, p {rival['p']:.2g}, needed is p < {limit:.3g}."
    )


def start_of(checkpoint: Artifact) -> dict[str, Any] | None:
    """What was chosen and why; None where the recipe named one starting point."""
    return (
        dict(checkpoint.json("start.json"))
        if (checkpoint.folder / "start.json").is_file()
        else None
    )


def planned_start(recipe: Recipe, store: Store) -> dict[str, Any] | None:
    """What was chosen, or that the probe has yet to say; None where the recipe names one starting
    point."""
    if recipe.model.source != "probed":
        return None
    artifact = store.find("base_checkpoint")
    names = " or ".join(candidate.name for candidate in recipe.model.candidates)
    undecided = {"chosen": None, "reason": f"{names}, as the probe of base_checkpoint will say."}
    return (start_of(artifact) if artifact else None) or undecided
