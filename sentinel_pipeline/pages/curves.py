"""The curves of one recipe's runs laid over each other, and what a run took.

Read from artifacts and, of a run that goes on, from its draft; what is read once of a finished
file is not read again. What this module does not do: HTTP, or decide anything; the lines in a chart
are the gates'.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from ..costs import cost_rows
from ..gates.curve_files import CURVES
from ..records.recipe import Recipe
from ..records.stages import BASE, GRPO, TRAINING_STAGES
from ..store import Home
from ..store.files import whole_lines
from .charts import Line, Series, line_chart
from .results import ALIVE_S

STAGES = (BASE, *(stage.name for stage in TRAINING_STAGES))


class Run(NamedTuple):
    """One run of one recipe, by the folders of what it trained."""

    recipe: str
    run_id: str
    at: float
    """When it last wrote: seconds since 1970."""
    live: bool
    folders: dict[str, Path]
    """Stage -> its checkpoint's folder, or the draft of one that is being trained."""

    @property
    def key(self) -> str:
        return f"{self.recipe}/{self.run_id}"

    @property
    def label(self) -> str:
        when = time.strftime("%m-%d %H:%M", time.gmtime(self.at))
        return f"{self.recipe} {self.run_id[:8]}, {when}" + (" (now)" if self.live else "")


def runs_of(home: Home, recipe: str) -> list[Run]:
    """The recipe's runs that trained something, the newest first. A draft counts as the run of its
    loop, whose folder a finished stage has too."""
    folders: dict[str, dict[str, Path]] = {}
    newest: dict[str, float] = {}
    live: set[str] = set()
    for stage in STAGES:
        for folder in (home.runs / recipe / f"{stage}_checkpoint").glob("*"):
            if not (folder / "logs" / "progress.jsonl").is_file():
                continue  # `current`, or a stage that was skipped
            run_id = folder.name.removeprefix(".draft-")
            progress = (folder / "logs" / "progress.jsonl").stat().st_mtime
            folders.setdefault(run_id, {})[stage] = folder
            newest[run_id] = max(newest.get(run_id, 0.0), progress)
            if folder.name.startswith(".draft-") and time.time() - progress < ALIVE_S:
                live.add(run_id)
    runs = [
        Run(recipe, run_id, newest[run_id], run_id in live, stages)
        for run_id, stages in folders.items()
    ]
    return sorted(runs, key=lambda run: run.at, reverse=True)


def _rows(path: Path) -> Sequence[dict[str, Any]]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, *_: int) -> Sequence[dict[str, Any]]:
    """The whole lines of a file that may be written to now; stamped, so that what was added is
    read."""
    rows = []
    with path.open("rb") as stream:
        for line in whole_lines(stream):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                rows.append(row)
    return tuple(rows)


def _points(rows: Iterable[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    return [
        (row["step"], float(row[name]))
        for row in rows
        if isinstance(row.get(name), (int, float)) and not isinstance(row[name], bool)
    ]


class Chart(NamedTuple):
    title: str
    says: str
    svg: Markup


def stage_charts(stage: str, runs: Sequence[tuple[int, Run]], recipe: Recipe) -> list[Chart]:
    """The charts of one stage, each with every run that trained it; runs come with their colour."""
    steps: dict[str, Sequence[dict[str, Any]]] = {}
    progress: dict[str, Sequence[dict[str, Any]]] = {}
    windows: dict[str, Sequence[dict[str, Any]]] = {}
    mine = [(colour, run) for colour, run in runs if stage in run.folders]
    for _, run in mine:
        folder = run.folders[stage]
        progress[run.key] = _rows(folder / "logs" / "progress.jsonl")
        curves = _rows(folder / "losses.jsonl") or _rows(folder / CURVES)
        steps[run.key] = curves or progress[run.key]
        windows[run.key] = _rows(folder / "windows.jsonl")

    def of(
        source: dict[str, Sequence[dict[str, Any]]], *names: str, dots: bool = False
    ) -> list[Series]:
        return [
            Series(
                f"{run.label}, {name}" if len(names) > 1 else run.label,
                _points(source[run.key], name),
                colour + place,
                dots,
            )
            for colour, run in mine
            for place, name in enumerate(names)
        ]

    spec = getattr(recipe, stage, None)
    pass_lines = [
        Line(name, policy.threshold)
        for name, policy in recipe.gates.items()
        if (policy.stage, policy.metric, policy.severity != "off", policy.against)
        == (stage, "pass_at_1", True, None)
    ]
    syntax_lines = [
        Line(name, policy.threshold)
        for name, policy in recipe.gates.items()
        if (policy.stage, policy.metric, policy.severity != "off", policy.against)
        == (stage, "syntax_rate", True, None)
    ]
    if spec is not None and spec.windows.gate_step is not None:
        at = f"gate at step {spec.windows.gate_step}"
        pass_lines.append(Line(at, spec.windows.gate_pass_at_1))
        syntax_lines.append(Line(at, spec.windows.gate_syntax_rate))
    reward_lines = []
    if stage == GRPO.name and recipe.grpo is not None:
        reward_lines.append(Line("eval_reward", recipe.grpo.min_eval_reward))
    charts = [
        Chart("Loss", "Of each step; lower is better.", line_chart("Loss", of(steps, "loss"))),
        Chart(
            "Pass@1 in the windows",
            "On held-out items while training; dashed: the gates of the report.",
            line_chart("Pass@1", of(windows, "pass_at_1", dots=True), pass_lines, percent=True),
        ),
        Chart(
            "Syntax rate in the windows",
            "Share of the answers that parse.",
            line_chart(
                "Syntax rate", of(windows, "syntax_rate", dots=True), syntax_lines, percent=True
            ),
        ),
        Chart(
            "Reward",
            "Mean of the sampled answers of each step.",
            line_chart("Reward", of(steps, "reward")),
        ),
        Chart(
            "Reward on held-out prompts",
            "The same draws at every look.",
            line_chart(
                "Held-out reward",
                of(steps, "eval/mean_reward", dots=True),
                reward_lines,
                percent=True,
            ),
        ),
        Chart(
            "Groups without contrast",
            "Share of the prompts whose answers all earn the same: nothing is learnt from them.",
            line_chart("Without contrast", of(steps, "frac_reward_zero_std"), percent=True),
        ),
        Chart(
            "Reward margin",
            "Chosen less rejected, by the implicit reward.",
            line_chart("Margin", of(steps, "rewards/margins")),
        ),
        Chart(
            "Reward accuracy",
            "Pairs whose chosen side has the higher implicit reward.",
            line_chart("Accuracy", of(steps, "rewards/accuracies"), percent=True),
        ),
        Chart(
            "Gradient norm",
            "Before clipping.",
            line_chart("Gradient norm", of(steps, "grad_norm")),
        ),
        Chart(
            "Learning rate",
            "That each step trained with.",
            line_chart("Learning rate", of(steps, "learning_rate")),
        ),
        Chart(
            "Tokens a second",
            "Since the stage began, padding not counted.",
            line_chart("Tokens a second", of(progress, "tokens_per_s")),
        ),
        Chart(
            "Memory in MiB",
            "The most so far.",
            line_chart("Memory in MiB", of(progress, "memory_mib")),
        ),
    ]
    return [chart for chart in charts if chart.svg]


def costs_of(home: Home, run: Run, recipe: Recipe) -> list[dict[str, Any]]:
    """What the run's stages took, those that are not training too, in the order of assets."""
    logs = {
        folder.name: path
        for folder in sorted((home.runs / run.recipe).glob("*"))
        if (path := folder / run.run_id / "logs").is_dir()
    }
    return cost_rows(logs, recipe.budget)
