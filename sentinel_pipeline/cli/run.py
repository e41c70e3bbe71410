"""``sentinel run``: starts the loop as a child process, shows it live, and ends with one table.

What it does not do: know Dagster. The child appends events to a file (``run_loop.py``); this module
tails it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import EXIT_BAD_INPUT, EXIT_GATE, EXIT_INFRASTRUCTURE, BadInput, did_you_mean
from ..phases import limited
from ..records.stages import TRAINING_STAGES
from ..store import Home, Ledger, Store, find_home
from ..store.files import private_folder
from .console import AsJson, emit, err, say, styled
from .limits import MaxCost, MaxHours
from .live import LiveRun
from .scaled import ScaleOption, write_scaled

BEFORE_TRAINING = (
    "human_corrections",
    "task_bank",
    "base_checkpoint",
    "judge_licence",
    "base_report",
    "instruct_report",
    "alt_base_report",
    "gap_proof",
    "self_generated",
    "raw_candidates",
    "reward_audit",
    "critic_labels",
    "accepted_set",
    "rejected_set",
    "self_repairs",
    "repair_traces",
    "decontamination_report",
    "rebalanced_mix",
)
TRAINED = tuple(
    asset
    for stage in TRAINING_STAGES
    for asset in (stage.trains_on, stage.checkpoint, stage.report)
    if asset not in BEFORE_TRAINING
)
ASSETS = (*BEFORE_TRAINING, *TRAINED, "review_inbox", "comparison", "leaderboard")
"""Assets of the loop, so that help and errors list them without loading Dagster; a test compares
them with the graph."""


def run(
    recipe: Annotated[str, typer.Argument(help="A recipe: the stem of a file under data/recipes.")],
    until: Annotated[
        str | None,
        typer.Option(help=f"Stop after this asset: {', '.join(ASSETS)}; sft means sft_report."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the recipe's interrupted run.")
    ] = False,
    scale: ScaleOption = None,
    max_hours: MaxHours = None,
    max_cost: MaxCost = None,
    as_json: AsJson = False,
) -> None:
    """Run the loop of RECIPE: tasks, candidates, critic, mix, training, reports, comparison.

    It is a run of Dagster, on the instance that sentinel ui shows. After exit code 4, after --until
    and after a pause for the budget --resume continues it from what is there, with the recipe as
    the run was launched with it: where the file has changed since, it says what changed and
    refuses. Where the budget does not suffice, optional phases are skipped in the order of
    budget.optional; before a critical one the run pauses with exit code 3. A gate or fence that
    blocks and does not pass ends the run with exit code 3 too, that of the last stage among them.

    Examples:

        sentinel run tiny

        sentinel run tiny --until rebalanced_mix --json

        sentinel run tiny --resume

        sentinel run stage1-qwen2.5-32b-qlora --until sft --max-hours 8

        sentinel run stage1-qwen2.5-32b-qlora --scale tiny
    """
    from .summary import summarise

    home = find_home()
    if scale is not None:
        shrunk, scaled = write_scaled(home, recipe, scale)
        recipe = shrunk.name
        say(f"{shrunk.scaled_from} at scale {scale}, as {recipe}; its numbers say that it runs")
        for text in scaled.left_out:
            say(f"left out: {text}")
    loaded = limited(home.recipe(recipe), max_hours, max_cost)
    if until is not None and not {until, f"{until}_report"} & {*ASSETS}:
        short = [name.removesuffix("_report") for name in ASSETS if name.endswith("_report")]
        raise BadInput(
            f"unknown asset {until!r}.",
            field="--until",
            fix=did_you_mean(until, [*ASSETS, *short]),
        )
    if until is None and not resume:
        from ..training.planning.inputs import missing_inputs

        for problem in missing_inputs(loaded, home):
            raise problem
    run_id = str(uuid.uuid4())
    prepare_instance(home)
    with tempfile.TemporaryDirectory(prefix="sentinel-run-") as folder:
        events = Path(folder) / "events.jsonl"
        events.touch()
        log = home.state / "logs" / f"{run_id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as sink:
            command = [
                sys.executable,
                "-m",
                "sentinel_pipeline.run_loop",
                recipe,
                "--events",
                str(events),
                "--run-id",
                run_id,
            ]
            command += ["--until", until] if until else []
            command += ["--resume"] if resume else []
            command += ["--max-hours", str(max_hours)] if max_hours is not None else []
            command += ["--max-cost", str(max_cost)] if max_cost is not None else []
            environment = {
                **os.environ,
                "SENTINEL_HOME": str(find_home().root),
                "PYTHONWARNINGS": "ignore",
            }
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
            )
            live = LiveRun(home, recipe, err)
            with live:
                _watch(child, events, live)
    code = _exit_code(child.returncode, live)
    store = Store(home, recipe, run_id, live.loop or run_id)
    summary = summarise(store, Ledger(home.ledger), live, home.recipe(recipe))
    _report(summary, live, code, log, as_json)
    raise typer.Exit(code)


def prepare_instance(home: Home) -> None:
    """Make Dagster's home where there is none, with a link to the project's ``dagster.yaml``; an
    existing one that ``DAGSTER_HOME`` names stays as it is."""
    named = os.environ.get("DAGSTER_HOME")
    if named and os.path.isdir(named):
        return
    folder = Path(named).absolute() if named else home.dagster
    private_folder(home.state)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = folder / "dagster.yaml"
    source = home.dagster_settings
    if source.exists() and not link.exists():
        # A link into a package that was upgraded or moved leads nowhere.
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(source, folder))
    os.environ["DAGSTER_HOME"] = str(folder)


def _watch(child: subprocess.Popen[bytes], events: Path, live: LiveRun) -> None:
    """Feed the child's events to ``live`` until it ended; an interrupt is passed on, and the child
    saves what it has."""
    with events.open(encoding="utf-8") as stream:
        while True:
            ended = child.poll() is not None
            for event in _complete_lines(stream):
                live.on_event(event)
            live.tick()
            if ended:
                return
            try:
                time.sleep(0.25)
            except KeyboardInterrupt:
                err.print(
                    "Stopping: the running trainer saves a checkpoint. Continue later with --resume."
                )
                child.wait()


def _complete_lines(stream: Any) -> Iterator[dict[str, Any]]:
    while True:
        position = stream.tell()
        line = stream.readline()
        if not line.endswith("\n"):
            stream.seek(position)
            return
        yield json.loads(line)


def _exit_code(returncode: int, live: LiveRun) -> int:
    if live.exit_code is not None:
        return live.exit_code
    live.message = f"the run's process exited without an error message (exit code {returncode})"
    return EXIT_INFRASTRUCTURE


def _report(summary: dict[str, Any], live: LiveRun, code: int, log: Path, as_json: bool) -> None:
    from .summary import summary_table, verdict_lines

    if summary["reports"]:
        err.print(summary_table(summary, live.recipe))
    for line in verdict_lines(summary) if summary["stages"] or summary["reports"] else ():
        say(line)
    if live.message:
        word = {
            EXIT_BAD_INPUT: "bad input",
            EXIT_GATE: "refused",
            EXIT_INFRASTRUCTURE: "infrastructure",
        }.get(code, "failed")
        err.print(styled((f"{word}: ", "bold red")), end="")
        err.print(live.message, markup=False, highlight=False)
        err.print(f"Log: {log}", highlight=False)
    if code == EXIT_INFRASTRUCTURE:
        err.print(
            f"Continue where it stopped: sentinel run {live.recipe} --resume", highlight=False
        )
    if as_json:
        emit(summary | ({"error": live.message} if live.message else {}))
