"""From stored answers to a report: read the answers of a job, score them once, write samples and reports.

What this module does not do: generate. A changed scorer re-scores stored answers without touching a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..critic.score import Scorable, score
from ..errors import Infrastructure
from ..records import BenchmarkReport, SampleScore, Task
from ..records.recipe import Recipe
from ..store import Draft, read_jsonl, read_parquet
from .lm_eval import write_results
from .report import build_report, report_to_json
from .samples import write_samples


class Judged(NamedTuple):
    """Who answered, and by which scorer it is judged."""

    stage: str
    model: str
    model_hash: str
    scorer_version: str


def write_reports(out: Draft, suites: Path, judged: Judged, recipe: Recipe) -> list[BenchmarkReport]:
    """Score every suite's stored answers (``logs/SUITE.jsonl`` of the draft) and write its samples and report.

    Raises:
        Infrastructure: an item was not answered: a report covers all its items or is none.
    """
    reports, kept = [], {}
    for suite in recipe.bench.suites:
        tasks = [Task.from_row(row) for row in read_parquet(suites / f"{suite}.parquet")]
        samples = list(score_answers(tasks, out.folder / "logs" / f"{suite}.jsonl"))
        report = build_report(samples, suite=suite, decoding=_decoding(recipe), **judged._asdict())
        write_samples(out, suite, samples)
        out.json(f"{suite}/report.json", report_to_json(report))
        out.metrics |= _metrics(report)
        reports.append(report)
        kept[suite] = samples
    write_results(out, reports, kept)
    return reports


def score_answers(tasks: Sequence[Task], answers: Path) -> Iterator[SampleScore]:
    """Score stored answers (JSONL of id, completion, stopped, tokens, seconds) of ``tasks``, in the tasks' order."""
    by_id = {row["id"]: row for row in read_jsonl(answers)}
    missing = [task.id for task in tasks if task.id not in by_id]
    if missing:
        raise Infrastructure(
            f"{answers}: {len(missing)} of {len(tasks)} items unanswered, {missing[0]!r} first. Run again."
        )
    items = (Scorable(t.id, t.messages, by_id[t.id]["completion"], t.verifier) for t in tasks)
    for task, scored in zip(tasks, score(items), strict=True):
        answer = by_id[task.id]
        yield SampleScore(
            task_id=task.id,
            category=task.category,
            family=task.family,
            completion=answer["completion"],
            outcome=scored.outcome,
            reason=scored.reason,
            syntax_ok=scored.syntax_ok,
            stopped=answer["stopped"],
            tokens=answer["tokens"],
            seconds=answer["seconds"],
        )


def _decoding(recipe: Recipe) -> dict[str, Any]:
    bench = recipe.bench
    return {"temperature": bench.temperature, "max_new_tokens": bench.max_new_tokens, "prompt_format": "chat"}


def _metrics(report: BenchmarkReport) -> dict[str, Any]:
    values = {"pass_at_1": report.pass_at_1, "syntax_rate": report.syntax_rate, "n": report.n, "infra": report.infra}
    return {f"{key}_{report.suite}": value for key, value in values.items() if value is not None}
