"""``sentinel bench``: a model against suites, outside any recipe's run."""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from ..errors import EXIT_INFRASTRUCTURE, BadInput, did_you_mean
from ..rates import percent, with_interval
from ..store import Home, find_home
from ..store.address import FORMS
from .console import AsJson, ReasoningEffort, TokenLimit, emit, err, progress, say

if TYPE_CHECKING:
    from ..bench.bench_model import Question
    from ..generation.server import ServerSpec
    from ..generation.targets import Target
    from ..records import Task


def bench(
    model: Annotated[
        str, typer.Argument(help=f"{FORMS}; with --base-url, the name of a served model.")
    ],
    suite: Annotated[list[str], typer.Option(help="A suite, or your own JSONL file; repeatable.")],
    data: Annotated[
        list[str] | None,
        typer.Option(help="SUITE=FILE where a suite's file is elsewhere; FILE for a single suite."),
    ] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(
            help="An OpenAI-compatible server, with its version path; repeatable: several of the same model share the work."
        ),
    ] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the server's key.")
    ] = "OPENAI_API_KEY",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 8,
    rpm: Annotated[float | None, typer.Option(min=0.1, help="Max requests a minute.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request is lost.")] = 120,
    retries: Annotated[int, typer.Option(min=0, help="Further requests for one item.")] = 5,
    token_limit: TokenLimit = "max_tokens",
    reasoning_effort: ReasoningEffort = None,
    send_sampling: Annotated[
        bool,
        typer.Option(
            "--send-sampling/--no-send-sampling",
            help="Send temperature, top_p and seed; some reasoning models refuse them.",
        ),
    ] = True,
    price_in: Annotated[float, typer.Option(min=0, help="Price of a million prompt tokens.")] = 0.0,
    price_out: Annotated[
        float, typer.Option(min=0, help="Price of a million generated tokens.")
    ] = 0.0,
    engine: Annotated[
        Literal["transformers", "vllm"], typer.Option(help="Engine for local weights.")
    ] = "transformers",
    load_in_4bit: Annotated[
        bool, typer.Option("--load-in-4bit", help="Hold local weights in 4 bit (transformers).")
    ] = False,
    max_model_len: Annotated[
        int | None,
        typer.Option(min=1, help="vLLM: tokens of a prompt and its answer; default: as needed."),
    ] = None,
    tensor_parallel: Annotated[
        int, typer.Option(min=1, help="vLLM: devices that one copy is divided over.")
    ] = 1,
    data_parallel: Annotated[
        int, typer.Option(min=1, help="vLLM: copies, each on devices of its own.")
    ] = 1,
    quantization: Annotated[
        Literal["none", "bitsandbytes", "fp8"], typer.Option(help="vLLM: format of the weights.")
    ] = "none",
    gpu_memory: Annotated[
        float, typer.Option(min=0.05, max=1, help="vLLM: share of each device's memory.")
    ] = 0.9,
    prompt_format: Annotated[
        Literal["chat", "cue", "raw"],
        typer.Option(help="Format of the prompts; the sentinels are always raw."),
    ] = "chat",
    judge: Annotated[
        str | None,
        typer.Option(help="The recipe whose [judge] scores the tasks of kind judged_answer."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Max items of each suite, of every family by its share."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="Answers to each item; more than one needs a temperature.")
    ] = 1,
    k: Annotated[str, typer.Option(help="Which pass@k; no k may exceed --samples.")] = "1",
    temperature: Annotated[float, typer.Option(min=0, max=5, help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="Nucleus sampling.")] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Max tokens of an answer.")] = 512,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts decoded together.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 17,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ignore the answer cache.")] = False,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Score the stored answers again; generate nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Validate only; nothing is generated.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let MODEL answer suites and keep a report of each: Pass@1 with its interval, pass@k, syntax
    rate, a reason for every sample.

    A killed command continues where it was when it is run again; answers that the same model gave
    before are not generated again. Items that a server did not answer are infrastructure, never a
    score (exit code 4).

    Examples:

        sentinel bench tiny/sft --suite smoke --suite conversations

        sentinel bench ./model --suite humaneval --samples 10 --temperature 0.8 --k 1,10 --json

        sentinel bench http://127.0.0.1:8000/v1#my-model --suite bfcl --data bfcl=BFCL_v4_simple_python.json
    """
    from ..bench.bench_model import Question
    from ..generation.server import ServerSpec
    from ..generation.targets import find_target, served
    from ..records.decoding import Decoding
    from ..records.engine_spec import VllmSpec
    from ..records.judge_spec import JudgeSpec

    began = time.monotonic()
    home = find_home()
    ks = _ks(k, samples, temperature)
    target = served(base_url[0], model) if base_url else find_target(home, model)
    server: ServerSpec | None = None
    if target.base_url is not None:
        server = ServerSpec(
            base_url=target.base_url,
            more_urls=tuple((base_url or ())[1:]),
            model=target.name,
            key=os.environ.get(key_env),
            concurrency=concurrency,
            requests_per_minute=rpm,
            timeout_s=timeout,
            tries=retries + 1,
            token_limit=token_limit,
            reasoning_effort=reasoning_effort,
            sampling=send_sampling,
        )
    if load_in_4bit and engine != "transformers":
        raise BadInput(
            f"{engine} does not read it.",
            field="--load-in-4bit",
            fix="Say --quantization bitsandbytes.",
        )
    question = Question(
        target=target,
        suites=_suites(home, suite, data or [], target, limit),
        decoding=Decoding(
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            prompt_format=prompt_format,
        ),
        samples=samples,
        ks=ks,
        engine="server" if server else engine,
        vllm=VllmSpec(
            max_model_len=max_model_len,
            tensor_parallel_size=tensor_parallel,
            data_parallel_size=data_parallel,
            quantization=quantization,
            gpu_memory_utilization=gpu_memory,
        ),
        load_in_4bit=load_in_4bit,
        use_cache=not fresh,
        judge=home.recipe(judge).judge if judge else JudgeSpec(),
    )
    if dry_run:
        result = _look(home, question)
        _print_look(result)
    else:
        result = _answer(home, question, server, rescore, (price_in, price_out))
        result["seconds"] = round(time.monotonic() - began, 2)
        _print(result)
    if as_json:
        emit(result)
    if result.get("unanswered"):
        raise typer.Exit(EXIT_INFRASTRUCTURE)


def _ks(text: str, samples: int, temperature: float) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d{0,5}(,[1-9]\d{0,5})*", text):
        raise BadInput(f"invalid list of numbers {text!r}.", field="--k", fix="Write it as 1,10.")
    ks = tuple(sorted({int(number) for number in text.split(",")}))
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


def _suites(
    home: Home, names: list[str], data: list[str], target: Target, limit: int | None
) -> dict[str, list[Task]]:
    """The tasks of each suite, by the suite's own name.

    Raises:
        BadInput: no such suite or file, a malformed row, a duplicate suite, or data for a suite
            that is not among ``names``.
    """
    from ..audit.suites import load_audited
    from ..tasks.suites import first_items

    files: dict[str, Path] = {}
    for option in data:
        name, sign, file = option.partition("=")
        if not sign and len(names) == 1:
            name = names[0]
            file = option
        if name not in names:
            raise BadInput(
                f"{option!r} belongs to none of the suites.",
                field="--data",
                fix=f"Write SUITE=FILE. {did_you_mean(name, names)}",
            )
        files[name] = Path(file).expanduser()
    suites: dict[str, list[Task]] = {}
    for name in names:
        path = files.get(name) or home.suite_file(name)
        if path is None and name == "heldout":
            path = target.heldout
        tasks = first_items(load_audited(name, path), limit)
        own_name = tasks[0].suite
        if own_name in suites:
            raise BadInput(f"duplicate suite {own_name!r}.", field="--suite", fix="Rename one.")
        if not re.fullmatch(r"[\w.+-]{1,80}", own_name):
            raise BadInput(
                f"invalid suite name {own_name!r}.",
                field="--suite",
                fix="Use letters, digits, dots, dashes and underscores.",
            )
        suites[own_name] = tasks
    return suites


def _look(home: Home, question: Question) -> dict[str, Any]:
    """How many prompts there are, how many answers are stored already, and whether the reference
    answers pass."""
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
            "gold_failed": [list(failure) for failure in audit.failed],
            "gold_infra": [list(failure) for failure in audit.infra],
        }
    return {
        "model": question.target.name,
        "model_hash": question.target.model_hash,
        "dry_run": True,
        "suites": suites,
    }


def _answer(
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
        engine = stack.enter_context(Server(server)) if server else None
        bar = stack.enter_context(progress("answering", "items"))
        task = bar.add_task("answering", total=None)
        outcome = run_bench(
            home,
            question,
            engine,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    usage = engine.usage if engine else None
    suites = {
        report.suite: report.summary()
        | {"pass_at": outcome.pass_at.get(report.suite, {}), "by_family": report.by_family}
        for report in outcome.reports
    }
    result: dict[str, Any] = {
        "model": question.target.name,
        "model_hash": question.target.model_hash,
        "engine": question.engine,
        "run_id": outcome.run_id,
        "report": str(outcome.folder),
        "scorer_version": outcome.reports[0].scorer_version,
        "suites": suites,
        "unanswered": outcome.unanswered,
    }
    if usage is not None:
        names = ("requests", "retries", "failed", "prompt_tokens", "completion_tokens")
        result["usage"] = {name: getattr(usage, name) for name in names}
        result["usage"]["cost"] = round(usage.cost(*prices), 6)
    return result


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
        say(f"{usage['requests']} requests, {usage['retries']} retries, cost {usage['cost']:g}")
    say(f"Report: {result['report']}")


def _print_look(result: dict[str, Any]) -> None:
    table = Table(
        "suite", "items", "prompts", "stored answers", "references", "references that fail"
    )
    for name, row in result["suites"].items():
        failed = str(len(row["gold_failed"]) + len(row["gold_infra"]))
        table.add_row(
            name, *(str(row[key]) for key in ("items", "prompts", "stored", "gold")), failed
        )
    err.print(table)
