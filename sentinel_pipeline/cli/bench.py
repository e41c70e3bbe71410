"""``sentinel bench``: a model against suites, outside any recipe's run."""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import EXIT_INFRASTRUCTURE, BadInput
from ..rates import percent, with_interval
from ..store import Home, find_home
from .console import AsJson, emit, err, progress

if TYPE_CHECKING:
    from ..bench.bench_model import Outcome, Question
    from ..generation.server import ServerSpec, Usage
    from ..generation.targets import Target
    from ..records import Task


def bench(
    model: Annotated[
        str,
        typer.Argument(
            help="RECIPE/STAGE (tiny/sft), a folder, a hub name, or a served model's name."
        ),
    ],
    suite: Annotated[
        list[str], typer.Option(help="A suite, or your own JSONL file; may be repeated.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(help="SUITE=FILE where a suite's file lies elsewhere; FILE if one."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, with its version path.")
    ] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the server's key.")
    ] = "OPENAI_API_KEY",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 8,
    rpm: Annotated[float | None, typer.Option(min=0.1, help="Requests a minute, at most.")] = None,
    price_in: Annotated[float, typer.Option(min=0, help="Price of a million prompt tokens.")] = 0.0,
    price_out: Annotated[
        float, typer.Option(min=0, help="Price of a million generated tokens.")
    ] = 0.0,
    engine: Annotated[
        str, typer.Option(help="transformers or vllm, for local weights.")
    ] = "transformers",
    prompt_format: Annotated[
        str, typer.Option(help="chat, cue or raw; the sentinels are always raw.")
    ] = "chat",
    judge: Annotated[
        str | None,
        typer.Option(help="The recipe whose [judge] judges the tasks of kind judged_answer."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each suite, at most.")] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="Answers to each item; more than one needs a temperature.")
    ] = 1,
    k: Annotated[str, typer.Option(help="Which pass@k; no k may exceed --samples.")] = "1",
    temperature: Annotated[float, typer.Option(min=0, max=5, help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 512,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts decoded together.")] = 64,
    seed: Annotated[int, typer.Option()] = 17,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again what the cache holds.")] = False,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Score the stored answers again; generate nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and audit the suites, ask nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let MODEL answer suites and keep a report of each: Pass@1 with its interval, pass@k, syntax rate, a reason for every sample.

    Killed, the same command goes on where it was; answers that the same model gave before are not generated again. Items that a
    server did not answer are infrastructure, never a score (exit code 4).

    Examples:

        sentinel bench tiny/sft --suite smoke --suite conversations

        sentinel bench ./model --suite humaneval --data HumanEval.jsonl.gz --samples 10 --temperature 0.8 --k 1,10 --json

        sentinel bench my-model --base-url http://127.0.0.1:8000/v1 --suite bfcl --data bfcl=BFCL_v4_simple_python.json
    """
    from ..records.decoding import Decoding

    began, home = time.monotonic(), find_home()
    ks = _ks(k, samples, temperature)
    _choice("--engine", engine, ("transformers", "vllm"))
    _choice("--prompt-format", prompt_format, ("chat", "cue", "raw"))
    server = _server(base_url, model, key_env, concurrency, rpm)
    target = _target(home, model, server)
    decoding = Decoding(
        max_new_tokens=max_new_tokens, batch_size=batch_size, temperature=temperature, top_p=top_p, seed=seed,
        prompt_format=prompt_format,  # type: ignore[arg-type]
    )  # fmt: skip
    question = _question(
        target,
        _suites(home, suite, data or [], target, limit),
        decoding,
        samples,
        ks,
        engine,
        server,
        fresh,
    )
    if judge:
        question = replace(question, judge=home.recipe(judge).judge)
    if dry_run:
        result = _look(home, question)
        _print_look(result)
    else:
        result = _ask(home, question, server, rescore, (price_in, price_out)) | {
            "seconds": round(time.monotonic() - began, 2)
        }
        _print(result)
    if as_json:
        emit(result)
    if result.get("unanswered"):
        raise typer.Exit(EXIT_INFRASTRUCTURE)


def _ks(text: str, samples: int, temperature: float) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d{0,5}(,[1-9]\d{0,5})*", text):
        raise BadInput(f"{text!r} is no list of numbers.", field="--k", fix="Write it as 1,10.")
    ks = tuple(sorted({int(one) for one in text.split(",")}))
    if ks[-1] > samples:
        fix = f"Draw more with --samples {ks[-1]}, or ask for a smaller k."
        raise BadInput(
            f"pass@{ks[-1]} needs {ks[-1]} samples of each item, not {samples}.",
            field="--k",
            fix=fix,
        )
    if samples > 1 and temperature <= 0:
        raise BadInput(
            "greedy samples are all the same.", field="--samples", fix="Add --temperature 0.8."
        )
    return ks


def _choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadInput(
            f"unknown value {value!r}.", field=field, fix=f"One of: {', '.join(choices)}."
        )


def _server(
    base_url: str | None, model: str, key_env: str, concurrency: int, rpm: float | None
) -> ServerSpec | None:
    from ..generation.server import ServerSpec

    if base_url is None:
        return None
    return ServerSpec(
        base_url=base_url,
        model=model,
        key=os.environ.get(key_env),
        concurrency=concurrency,
        requests_per_minute=rpm,
    )


def _target(home: Home, model: str, server: ServerSpec | None) -> Target:
    from ..generation.targets import find_target, served

    return served(server.base_url, model) if server else find_target(home, model)


def _suites(
    home: Home, names: list[str], data: list[str], target: Target, limit: int | None
) -> dict[str, list[Task]]:
    """The tasks of each suite, by the suite's own name.

    Raises:
        BadInput: no such suite or file, a malformed row, a suite twice, or data for a suite that is not asked.
    """
    from ..audit.suites import load_audited
    from ..tasks.suites import first_items

    files, found = _files(names, data), dict[str, list[Any]]()
    for name in names:
        path = (
            files.get(name)
            or home.suite_file(name)
            or (target.heldout if name == "heldout" else None)
        )
        tasks = first_items(load_audited(name, path), limit)
        if tasks[0].suite in found or not re.fullmatch(r"[\w.+-]{1,80}", tasks[0].suite):
            raise BadInput(
                f"{tasks[0].suite!r} is there twice, or is no plain name.",
                field="--suite",
                fix="Rename it.",
            )
        found[tasks[0].suite] = tasks
    return found


def _files(names: list[str], data: list[str]) -> dict[str, Path]:
    files = {}
    for one in data:
        name, sign, file = one.partition("=")
        if not sign and len(names) == 1:
            name, file = names[0], one
        if name not in names:
            raise BadInput(
                f"{one!r} is for no suite that is asked.", field="--data", fix="Write SUITE=FILE."
            )
        files[name] = Path(file).expanduser()
    return files


def _question(
    target: Target,
    suites: dict[str, list[Task]],
    decoding: Any,
    samples: int,
    ks: tuple[int, ...],
    engine: Any,
    server: ServerSpec | None,
    fresh: bool,
) -> Question:
    from ..bench.bench_model import Question

    return Question(
        target=target,
        suites=suites,
        decoding=decoding,
        samples=samples,
        ks=ks,
        engine="server" if server else engine,
        use_cache=not fresh,
    )


def _look(home: Home, question: Question) -> dict[str, Any]:
    """What would be asked, what is there already, and whether the gold answers pass."""
    from ..audit.suites import audit_suite
    from ..bench.bench_model import answers_stored

    with tempfile.TemporaryDirectory() as folder:
        stored = answers_stored(home, question, Path(folder))
    suites = {}
    for name, tasks in question.suites.items():
        audit = audit_suite(tasks)
        suites[name] = {
            "items": len(tasks),
            "prompts": len(tasks) * question.samples,
            "stored": stored[name],
            "gold": audit.gold,
            "gold_failed": [list(one) for one in audit.failed],
            "gold_infra": [list(one) for one in audit.infra],
        }
    return {
        "model": question.target.name,
        "model_hash": question.target.model_hash,
        "dry_run": True,
        "suites": suites,
    }


def _ask(
    home: Home,
    question: Question,
    server: ServerSpec | None,
    rescore: bool,
    prices: tuple[float, float],
) -> dict[str, Any]:
    from ..bench.bench_model import refuse_to_generate, run_bench
    from ..generation.server import Server

    if rescore:
        with tempfile.TemporaryDirectory() as folder:
            refuse_to_generate(home, question, Path(folder))
    with ExitStack() as stack:
        ask = stack.enter_context(Server(server)) if server else None
        bar = stack.enter_context(progress("answering", "items"))
        task = bar.add_task("answering", total=None)
        outcome = run_bench(
            home, question, ask, lambda done, total: bar.update(task, completed=done, total=total)
        )
    return _result(question, outcome, ask.usage if ask else None, prices)


def _result(
    question: Question, outcome: Outcome, usage: Usage | None, prices: tuple[float, float]
) -> dict[str, Any]:
    suites = {
        report.suite: report.summary()
        | {"pass_at": outcome.pass_at.get(report.suite, {}), "by_family": report.by_family}
        for report in outcome.reports
    }
    asked = {} if usage is None else {"usage": _usage(usage, prices)}
    return {
        "model": question.target.name,
        "model_hash": question.target.model_hash,
        "engine": question.engine,
        "run_id": outcome.run_id,
        "report": str(outcome.folder),
        "scorer_version": outcome.reports[0].scorer_version,
        "suites": suites,
        "unanswered": outcome.unanswered,
        **asked,
    }


def _usage(usage: Usage, prices: tuple[float, float]) -> dict[str, Any]:
    names = ("requests", "retries", "failed", "prompt_tokens", "completion_tokens")
    return {name: getattr(usage, name) for name in names} | {"cost": round(usage.cost(*prices), 6)}


def _print(result: dict[str, Any]) -> None:
    table = Table(
        "suite",
        "n",
        "Pass@1 [95 %]",
        "pass@k",
        "syntax rate",
        "infrastructure",
        title=result["model"],
    )
    for name, row in result["suites"].items():
        ks = "  ".join(f"@{k} {percent(value)}" for k, value in row["pass_at"].items())
        cells = (
            with_interval(row["pass_at_1"], row["interval"]),
            ks,
            percent(row["syntax_rate"]),
            str(row["infra"]),
        )
        table.add_row(name, str(row["n"]), *cells)
    err.print(table)
    if "usage" in result:
        usage = result["usage"]
        err.print(
            f"{usage['requests']} requests, {usage['retries']} retries, cost {usage['cost']:g}",
            highlight=False,
        )
    err.print(f"Report: {result['report']}", highlight=False, soft_wrap=True)


def _print_look(result: dict[str, Any]) -> None:
    table = Table(
        "suite", "items", "prompts", "answered before", "references", "references that fail"
    )
    for name, row in result["suites"].items():
        failed = str(len(row["gold_failed"]) + len(row["gold_infra"]))
        table.add_row(
            name, *(str(row[key]) for key in ("items", "prompts", "stored", "gold")), failed
        )
    err.print(table)
