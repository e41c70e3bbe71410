"""The format probe's verdict on exactly one checkpoint, from the newest report that there is of it.

Evidence is a report of the suite ``format_probe``, a stage's or one of ``sentinel bench``, asked
through the chat template, about weights of the same hash, scored by the current, licensed scorer
version. Where there is none, the run itself has taken a probe of the recipe's own format: whether
the answers of the stage's report parse and stop by themselves. The rule is the recipe's own gate on
``format_probe``, else ``RULE``. What this module does not do: ask the model; a probe that nobody
took is missing, and does not count as a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..audit.scorers import unlicensed
from ..bench.report import build_report, report_from_json
from ..bench.samples import read_samples
from ..critic.version import scorer_version
from ..gates import decide, measure_report, policy_hash
from ..generation.targets import Target
from ..rates import with_interval
from ..records import BenchmarkReport, GateVerdict, VerdictKey
from ..records.gate_spec import GatePolicy
from ..records.recipe import Recipe
from ..records.stages import report_of
from ..store import Artifact, Home, Ledger, Store
from ..store.manifest import read_manifest
from ..tasks.suites.format_probe import tasks
from .guard import Probe

SUITE = "format_probe"
OWN_FORMAT = "own_format"
"""Name of the verdict about the recipe's own format."""
RULE = GatePolicy(metric="pass_at_1", suite=SUITE, threshold=0.80)
"""Four of five answers keep the form that was asked and stop by themselves, by the whole interval:
38 of the 40 prompts."""


class Probed(NamedTuple):
    """What the probe came to."""

    state: Probe
    reason: str
    verdict: GateVerdict | None = None


def probe(home: Home, recipe: Recipe, stage: str, target: Target) -> Probed:
    """The verdict on ``target``, the checkpoint of ``stage``."""
    newest = max(
        _reports(home, recipe.name, stage, target),
        key=lambda pair: pair[0].manifest.created_at,
        default=None,
    )
    if newest is None and (own := _own_format(home, recipe, stage, target)) is not None:
        return own
    if newest is None:
        return Probed("missing", f"Take it: sentinel bench {recipe.name}/{stage} --suite {SUITE}.")
    artifact, report = newest
    policies = [
        policy
        for policy in recipe.gates.values()
        if (policy.suite, policy.stage) == (SUITE, stage) and policy.against is None
    ]
    policy = next((policy for policy in policies if policy.severity != "off"), RULE)
    key = VerdictKey(
        name=SUITE,
        subject=f"{recipe.name}/{stage}",
        subject_hash=target.model_hash,
        scorer_version=report.scorer_version,
        policy_hash=policy_hash(policy),
    )
    measured = measure_report(
        policy, report, items=len(tasks()) - report.retired, scorer_now=scorer_version()
    )
    verdict = key.verdict(decide(policy, measured))
    if reason := unlicensed(Ledger(home.ledger)):
        verdict = replace(verdict, verdict="inconclusive", reason=reason)
    return Probed(
        verdict.verdict, f"{verdict.reason} (report {artifact.manifest.run_id[:8]}).", verdict
    )


def _own_format(home: Home, recipe: Recipe, stage: str, target: Target) -> Probed | None:
    """What the stage's own report says of its answers' form: each parses, where syntax applies, and
    ended by itself; None without a report about exactly these weights that asked as chat does."""
    suite = recipe.bench.judging
    artifact = Store.reading(home, recipe.name).find(report_of(stage))
    if artifact is None or not (artifact.folder / suite / "samples.parquet").is_file():
        return None
    report = _form_of(artifact.folder, suite)
    if report is None or report.model_hash != target.model_hash:
        return None
    key = VerdictKey(
        name=OWN_FORMAT,
        subject=f"{recipe.name}/{stage}",
        subject_hash=target.model_hash,
        scorer_version=report.scorer_version,
        policy_hash=policy_hash(RULE),
    )
    verdict = key.verdict(decide(RULE, measure_report(RULE, report, scorer_now=scorer_version())))
    if reason := unlicensed(Ledger(home.ledger)):
        verdict = replace(verdict, verdict="inconclusive", reason=reason)
    rate = with_interval(verdict.measured, verdict.interval)
    words = (
        f"of its {report.n} answers to {suite}, {rate} have the form that was asked and stop by "
        f"themselves; 80 % by the whole interval are enough (report {artifact.manifest.run_id[:8]})."
    )
    return Probed(verdict.verdict, words, verdict)


@lru_cache(maxsize=32)
def _form_of(folder: Path, suite: str) -> BenchmarkReport | None:
    """The report with an answer's form in place of its rightness; artifacts are immutable."""
    try:
        artifact = Artifact(folder, read_manifest(folder))
        report = report_from_json(artifact.json(f"{suite}/report.json"))
        samples = read_samples(artifact, suite)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if report.decoding.get("prompt_format") != "chat":
        return None
    formed = [
        sample
        if sample.outcome == "infra"
        else replace(
            sample,
            outcome="pass" if sample.stopped and sample.syntax_ok is not False else "fail",
        )
        for sample in samples
    ]
    return build_report(
        formed,
        stage=report.stage,
        suite=OWN_FORMAT,
        model=report.model,
        model_hash=report.model_hash,
        scorer_version=report.scorer_version,
        decoding=report.decoding,
    )


def _reports(
    home: Home, recipe: str, stage: str, target: Target
) -> Iterator[tuple[Artifact, BenchmarkReport]]:
    """Every readable report of the suite about exactly these weights."""
    places = (
        (Store.reading(home, recipe), f"{stage}_report"),
        (Store.reading(home, "bench"), target.slug),
    )
    for store, asset in places:
        for artifact in store.history(asset):
            try:
                measured = (artifact.folder / SUITE / "report.json").is_file()
                report = (
                    report_from_json(artifact.json(f"{SUITE}/report.json")) if measured else None
                )
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if (
                report
                and report.model_hash == target.model_hash
                and report.decoding.get("prompt_format") == "chat"
            ):
                yield artifact, report
