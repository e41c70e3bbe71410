"""What a release says of how it came about: the final comparison as text, the errors that are left,
and what it takes to make the same checkpoint again.

Everything is read from the artifacts that the checkpoint was made from. What this module does not
do: decide, or answer anything again.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ..bench.pairing import paired_counts
from ..bench.report import report_from_json
from ..bench.samples import read_samples
from ..errors import BadInput
from ..rates import difference, with_interval
from ..records import SampleScore
from ..secrets import mask
from ..store import Artifact, Home
from .evidence import Evidence

EXAMPLES = 3
"""Wrong answers that are shown of each kind."""
SHOWN_TEXT = 1_200
"""Characters of an answer that is shown."""


def reports_of(evidence: Evidence) -> dict[str, Artifact]:
    """The report of each stage that led here, the base model's first, by stage."""
    known = {artifact.manifest.asset: artifact for artifact in evidence.ancestors}
    known[evidence.report.manifest.asset] = evidence.report
    return {
        stage: known[f"{stage}_report"]
        for stage in evidence.recipe.reported
        if f"{stage}_report" in known
    }


def final_comparison(evidence: Evidence) -> str:
    """Each stage's Pass@1 on each suite, and the paired difference to the stage before and of the
    last to the base model; as plain text."""
    reports = reports_of(evidence)
    suites = sorted(path.parent.name for path in evidence.report.folder.glob("*/report.json"))
    lines = [f"{evidence.recipe.name}: {' -> '.join(reports)}", ""]
    for suite in suites:
        lines.append(suite)
        answered = {
            stage: report
            for stage, report in reports.items()
            if (report.folder / suite / "report.json").is_file()
        }
        for stage, report in answered.items():
            numbers = report_from_json(report.json(f"{suite}/report.json"))
            rate = with_interval(numbers.pass_at_1, numbers.interval)
            lines.append(f"  {stage:<6} Pass@1 {rate}, n {numbers.n}")
        stages = list(answered)
        pairs = list(itertools.pairwise(stages))
        if len(stages) > 2:
            pairs.append((stages[0], stages[-1]))
        for before, after in pairs:
            lines.append(
                f"  {before} -> {after}: {_paired(answered[before], answered[after], suite)}"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _paired(before: Artifact, after: Artifact, suite: str) -> str:
    if not all((each.folder / suite / "samples.parquet").is_file() for each in (before, after)):
        return "not compared: the answers of one side are not kept"
    try:
        paired = paired_counts(read_samples(before, suite), read_samples(after, suite))
    except BadInput:
        return "not compared: the two answered different items"
    if not paired.n:
        return "not compared: nothing was scored on both sides"
    return (
        f"{difference(paired.difference, paired.interval())}, n {paired.n}, "
        f"{paired.gained} gained, {paired.lost} lost, exact paired p = {paired.p:.2g}"
    )


def error_analysis(evidence: Evidence) -> str:
    """The wrong answers of the released checkpoint by family and kind of reason, the most frequent
    first, with examples; Markdown, answers as indented text."""
    lines = ["# What it still gets wrong", ""]
    for path in sorted(evidence.report.folder.glob("*/samples.parquet")):
        suite = path.parent.name
        samples = read_samples(evidence.report, suite)
        wrong = [sample for sample in samples if sample.outcome == "fail"]
        lines += [f"## {suite}", "", f"{len(wrong)} of {len(samples)} answers.", ""]
        if not wrong:
            continue
        kinds: Counter[tuple[str, str]] = Counter(
            (sample.family, sample.reason.partition(":")[0]) for sample in wrong
        )
        families = Counter(sample.family for sample in samples)
        lines += ["| family | reason | answers | of its family |", "|---|---|---|---|"]
        lines += [
            f"| {_cell(family)} | {_cell(reason)} | {count} | {families[family]} |"
            for (family, reason), count in kinds.most_common()
        ]
        lines.append("")
        for family, reason in [kind for kind, _ in kinds.most_common(EXAMPLES)]:
            examples = [
                sample
                for sample in wrong
                if (sample.family, sample.reason.partition(":")[0]) == (family, reason)
            ][:EXAMPLES]
            lines += [f"### {_cell(family)}: {_cell(reason)}", ""]
            for sample in examples:
                lines += _example(sample)
    return "\n".join(lines).rstrip() + "\n"


def _example(sample: SampleScore) -> list[str]:
    """One wrong answer. Its lines are indented, so that nothing in it is markup."""
    text = mask(sample.completion)
    cut = text[:SHOWN_TEXT] + (" …" if len(text) > SHOWN_TEXT else "")
    shown = [f"    {line}" for line in cut.splitlines()] or ["    (an empty answer)"]
    return [f"`{_cell(sample.task_id)}`: {_cell(mask(sample.reason))}", "", *shown, ""]


def _cell(text: str) -> str:
    """Text in a cell, a heading or a line: one line, no markup."""
    flat = " ".join(text.split())
    for sign in "\\`*_<>[]|#":
        flat = flat.replace(sign, f"\\{sign}" if sign != "`" else "'")
    return flat


def reproduction(evidence: Evidence, home: Home) -> dict[str, Any]:
    """What makes the same checkpoint again: recipe, seed, versions, commit, hashes, commands."""
    recipe = evidence.recipe
    path = home.recipe_file(recipe.name)
    manifest = evidence.checkpoint.manifest
    return {
        "recipe": recipe.name,
        "recipe_toml": path.read_text(encoding="utf-8") if path.is_file() else None,
        "recipe_sha256": recipe.sha256(),
        "launched_with_sha256": manifest.recipe_hash,
        "seed": manifest.seed,
        "python": sys.version.split()[0],
        "versions": manifest.versions,
        "commit": _commit(home.root),
        "artifacts": {
            ancestor.manifest.asset: {
                "content_hash": ancestor.hash,
                "run_id": ancestor.manifest.run_id,
                "seed": ancestor.manifest.seed,
            }
            for ancestor in (*evidence.ancestors, evidence.report)
        },
        "commands": [
            f"sentinel plan {recipe.name}",
            f"sentinel run {recipe.name}",
            f"sentinel release {recipe.name}/{evidence.stage}",
        ],
    }


def _commit(root: Path) -> str | None:
    """The project's commit, marked where files differ from it; None outside of a repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
