"""What ``sentinel compare`` is pointed at: a model's address, a report's folder or a samples file,
as samples by suite.

Reads our own reports (``SUITE/samples.parquet``), lm-eval's ``samples_SUITE*.jsonl`` and the
results of ``sentinel grade``. What this module does not do: score. A row without an outcome is an
error by file and line.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadInput, Infrastructure, did_you_mean
from ..generation.targets import find_target
from ..records import BenchmarkReport, SampleScore
from ..store import Home, Store, read_jsonl, read_parquet
from ..store.address import FORMS, find_stage
from .report import report_from_json


class Source(NamedTuple):
    """A model's scored answers."""

    name: str
    suites: dict[str, list[SampleScore]]
    reports: dict[str, BenchmarkReport]
    """Suite -> its report, where there is one: what was asked, how, and which scorer scored."""
    tasks: Path | None = None
    """The folder of the suites' Parquet files that were answered, where it is known: answers can be
    scored again."""


def open_source(text: str, home: Home) -> Source:
    """A path of a report or of samples, or a model's address: a stage's current report, else what
    ``sentinel bench`` keeps.

    Raises:
        BadInput: no such model or report (with the nearest), a model without a report, or a row
            without an outcome.
    """
    if (stage := find_stage(home, text, "report")) is not None:
        store = Store.reading(home, stage.recipe)
        ours = store.get(f"{stage.stage}_report")
        try:
            tasks = store.origin(ours, "task_bank").folder / "suites"
        except Infrastructure:
            tasks = None  # its task bank was deleted
        return _folder(ours.folder)._replace(name=str(stage), tasks=tasks)
    path = Path(text).expanduser()
    weights = (path / "config.json").is_file() or (path / "model" / "config.json").is_file()
    if path.is_dir() and not weights:
        return _folder(path)
    served_or_hub = re.match(r"https?://|[\w-][\w.-]*/[\w.-]+(@[\w./-]+)?$", text)
    if weights or (served_or_hub and not path.exists()):
        target = find_target(home, text)
        report = Store.reading(home, "bench").find(target.slug)
        if report is None:
            raise BadInput(
                f"{text} has no report yet.", fix=f"Make one: sentinel bench {text} --suite SUITE."
            )
        return _folder(report.folder)._replace(name=target.name)
    if not path.is_file():
        near = did_you_mean(text, home.recipe_names())
        fix = f"Give a report's folder, a samples file, or a model: {FORMS}. {near}"
        raise BadInput("no such report.", file=path, fix=fix)
    suite = re.sub(r"_results$", "", re.sub(r"^samples_", "", path.stem))
    return Source(path.stem, {suite: _file(path)}, {})


def _folder(folder: Path) -> Source:
    ours = sorted(folder.glob("*/samples.parquet"))
    if ours:
        reports = {path.parent.name: _report(path.parent / "report.json") for path in ours}
        return Source(
            _label(folder),
            {path.parent.name: _file(path) for path in ours},
            {suite: report for suite, report in reports.items() if report},
        )
    if (folder / "samples.parquet").is_file():
        report = _report(folder / "report.json")
        return Source(
            _label(folder),
            {folder.name: _file(folder / "samples.parquet")},
            {folder.name: report} if report else {},
        )
    theirs = sorted(folder.glob("samples_*.jsonl"))
    if not theirs:
        fix = "Give a folder with SUITE/samples.parquet or samples_*.jsonl."
        raise BadInput("holds no samples.", file=folder, fix=fix)
    # lm-eval adds the date to the name; of several runs the last counts.
    return Source(
        _label(folder),
        {re.sub(r"^samples_|_\d{4}-\d\d-\d\dT.*$", "", p.stem): _file(p) for p in theirs},
        {},
    )


def _label(folder: Path) -> str:
    """``sft_report`` rather than a run's id."""
    return (
        folder.resolve().parent.name
        if (folder / "manifest.json").is_file()
        else folder.resolve().name
    )


def _report(path: Path) -> BenchmarkReport | None:
    """
    Raises:
        BadInput: the file is there and is not a report.
    """
    if not path.is_file():
        return None
    try:
        return report_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"not a report: {error}.", file=path, fix="Answer the suite again with this model."
        ) from error


def _file(path: Path) -> list[SampleScore]:
    rows = read_parquet(path) if path.suffix == ".parquet" else read_jsonl(path)
    samples = [_sample(row, path, line) for line, row in enumerate(rows, start=1)]
    ids: set[str] = set()
    for line, sample in enumerate(samples, start=1):
        if sample.task_id in ids:
            problem = f"item {sample.task_id!r} has two answers."
            fix = "A paired comparison takes one answer an item: grade one sample a task."
            raise BadInput(problem, file=path, line=line, fix=fix)
        ids.add(sample.task_id)
    return samples


def _sample(row: dict[str, Any], path: Path, line: int) -> SampleScore:
    doc = row["doc"] if isinstance(row.get("doc"), dict) else {}
    name = row.get("task_id", doc.get("task_id", row.get("doc_id")))
    if name is None:
        raise BadInput("is missing.", file=path, line=line, field="task_id")
    completion = row.get("completion", row.get("solution"))
    if completion is None and isinstance(row.get("filtered_resps"), list) and row["filtered_resps"]:
        completion = row["filtered_resps"][0]
    return SampleScore(
        task_id=str(name),
        category=str(row.get("category", doc.get("category", ""))),
        family=str(row.get("family", doc.get("family", ""))),
        completion="" if completion is None else str(completion),
        outcome=_outcome(row, path, line),
        reason=str(row.get("reason") or row.get("result") or ""),
        syntax_ok=row.get("syntax_ok"),
        stopped=bool(row.get("stopped", True)),
        tokens=int(row.get("tokens") or 0),
        seconds=0.0,
        item_hash=str(row.get("item_hash") or ""),
    )


def _outcome(row: dict[str, Any], path: Path, line: int) -> Any:
    """Pass, fail or infra from ours, ``sentinel grade``'s (which knows ``timeout`` as well), or
    lm-eval's first metric."""
    label = row.get("outcome")
    if label in ("pass", "fail", "infra"):
        return label
    if label == "timeout":
        return "fail"
    metrics = row.get("metrics")
    value = row.get(metrics[0]) if isinstance(metrics, list) and metrics else row.get("passed")
    if value in (0, 1):  # also False, True, 0.0, 1.0
        return "pass" if value else "fail"
    raise BadInput(
        f"has no outcome ({value!r}).",
        file=path,
        line=line,
        field="outcome",
        fix="Expected pass, fail or infra.",
    )
