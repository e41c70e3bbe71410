"""From stored answers to a report: read the answers of a job, score them once, write samples and
reports.

What this module does not do: generate. A changed scorer re-scores stored answers without touching a
device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..critic.score import Scorable, score
from ..errors import Infrastructure
from ..llm_judge.verdicts import read_verdicts
from ..records import BenchmarkReport, JudgedAnswer, SampleScore, Task
from ..records.conversation import sample_id
from ..records.recipe import Recipe
from ..records.task import suite_hash
from ..store import Draft, read_jsonl, read_parquet
from ..tasks.suites import PROMPT_FORMATS
from .failures import Measured, write_failures
from .lm_eval import write_results
from .report import build_report, report_to_json
from .samples import join_turns, write_samples, write_turns

UNANSWERED = "infra: not answered"


class Judged(NamedTuple):
    """Who answered, and by which scorer it is judged."""

    stage: str
    model: str
    model_hash: str
    scorer_version: str


def write_reports(
    out: Draft,
    suites: Path,
    judged: Judged,
    recipe: Recipe,
    run_id: str,
    retired: Mapping[str, int],
) -> list[BenchmarkReport]:
    """Score every suite's stored answers (``logs/SUITE.jsonl`` of the draft) and write its samples,
    its report and its failures.

    Raises:
        Infrastructure: an item was not answered: a report covers all its items or is not written.
    """
    bench = recipe.bench
    reports = []
    failures = {}
    answered: dict[str, tuple[list[Task], list[SampleScore]]] = {}
    for suite in bench.suites:
        tasks = [Task.from_row(row) for row in read_parquet(suites / f"{suite}.parquet")]
        scores = list(
            score_answers(tasks, out.folder / "logs" / f"{suite}.jsonl", samples=bench.samples)
        )
        decoding = recipe_decoding(recipe, suite)
        report, failures[suite] = write_report(
            out,
            suite,
            scores,
            judged,
            decoding,
            retired=retired.get(suite, 0),
            items=suite_hash(task.content_hash for task in tasks),
        )
        reports.append(report)
        answered[suite] = (tasks, scores)
    write_results(out, reports, failures)
    out.metrics["sft_candidates"] = write_failures(out, answered, _measured(judged, recipe, run_id))
    return reports


def _measured(judged: Judged, recipe: Recipe, run_id: str) -> Measured:
    model = f"{recipe.name}/{judged.stage}"
    name = f"{model} ({judged.model})"
    return Measured(run_id, model, name, judged.model_hash, recipe.review.min_tokens_per_second)


def write_report(
    out: Draft,
    suite: str,
    scores: Sequence[SampleScore],
    judged: Judged,
    decoding: dict[str, Any],
    *,
    retired: int = 0,
    items: str = "",
) -> tuple[BenchmarkReport, list[SampleScore]]:
    """Write one suite's samples and report, and return both. A conversation is one sample; its
    turns go to ``SUITE/turns.parquet``. ``items`` is the suite's hash."""
    samples = join_turns(scores)
    report = build_report(
        samples,
        suite=suite,
        decoding=decoding,
        retired=retired,
        suite_hash=items,
        **judged._asdict(),
    )
    write_samples(out, suite, samples)
    if len(samples) < len(scores):
        write_turns(out, suite, scores)
    out.json(f"{suite}/report.json", report_to_json(report))
    out.metrics |= _metrics(report)
    return report, samples


def score_answers(
    tasks: Sequence[Task],
    answers: Path,
    *,
    samples: int = 1,
    unanswered: Literal["refuse", "infra"] = "refuse",
) -> Iterator[SampleScore]:
    """Score stored answers (JSONL of id, completion, stopped, tokens, seconds) of ``tasks``, in the
    tasks' order, sample by sample.

    ``unanswered`` items are refused, or are infrastructure outcomes: of a server that was asked for
    each.

    Raises:
        Infrastructure: an item is unanswered and that is refused.
    """
    by_id = {row["id"]: row for row in read_jsonl(answers)}
    questions = [
        (sample_id(task.id, number), task) for task in tasks for number in range(1, samples + 1)
    ]
    missing = [name for name, _ in questions if name not in by_id]
    if missing and unanswered == "refuse":
        raise Infrastructure(
            f"{answers}: {len(missing)} of {len(questions)} items unanswered, {missing[0]!r} first. Run again."
        )
    items = (
        Scorable(name, t.messages, by_id[name]["completion"], t.verifier, by_id[name]["stopped"])
        for name, t in questions
        if name in by_id
    )
    scored_items = score(items)
    judged = read_verdicts(answers)
    for name, task in questions:
        if name not in by_id:
            yield _unanswered(name, task)
            continue
        scored = next(scored_items)
        answer = by_id[name]
        if isinstance(task.verifier, JudgedAnswer) and name in judged:
            scored = scored._replace(outcome=judged[name]["outcome"], reason=judged[name]["reason"])
        yield SampleScore(
            task_id=name,
            category=task.category,
            family=task.family,
            completion=answer["completion"],
            outcome=scored.outcome,
            reason=scored.reason,
            syntax_ok=scored.syntax_ok,
            stopped=answer["stopped"],
            tokens=answer["tokens"],
            seconds=answer["seconds"],
            trust=scored.evidence.get("trust", "separate"),
            item_hash=task.content_hash,
        )


def _unanswered(name: str, task: Task) -> SampleScore:
    return SampleScore(
        task_id=name,
        category=task.category,
        family=task.family,
        completion="",
        outcome="infra",
        reason=UNANSWERED,
        syntax_ok=None,
        stopped=False,
        tokens=0,
        seconds=0.0,
        item_hash=task.content_hash,
    )


def recipe_decoding(recipe: Recipe, suite: str) -> dict[str, Any]:
    """How the recipe answers a suite, as its report says it."""
    bench = recipe.bench
    drawn = {"temperature": bench.temperature, "max_new_tokens": bench.max_new_tokens}
    sampled = (
        {"samples": bench.samples, "top_p": bench.top_p, "seed": recipe.seed}
        if bench.temperature > 0
        else {}
    )
    # A gate over answers of quantised weights judges those.
    held: dict[str, Any] = {"load_in_4bit": True} if bench.load_in_4bit else {}
    if bench.engine == "vllm" and recipe.vllm.quantization != "none":
        held = {"quantization": recipe.vllm.quantization}
    return drawn | sampled | held | {"prompt_format": PROMPT_FORMATS.get(suite, "chat")}


def _metrics(report: BenchmarkReport) -> dict[str, Any]:
    values = {
        "pass_at_1": report.pass_at_1,
        "syntax_rate": report.syntax_rate,
        "n": report.n,
        "infra": report.infra,
        "shared": report.shared or None,
    }
    return {f"{key}_{report.suite}": value for key, value in values.items() if value is not None}
