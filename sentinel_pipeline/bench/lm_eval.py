"""Reports in the shape that the ecosystem reads: lm-evaluation-harness's key names, samples beside
results.

``results.json`` holds what is the same in two equal runs; when, where and how long stands in
``logs/environment.json``, since it differs. What this module does not do: overwrite. A draft
becomes a new artifact, and every artifact is kept.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

from ..critic.thoughts import part
from ..records import BenchmarkReport, SampleScore
from ..secrets import mask
from ..store import Draft
from ..store.manifest import versions

_METRIC = "pass_at_1"


def write_results(
    out: Draft, reports: Sequence[BenchmarkReport], samples: Mapping[str, Sequence[SampleScore]]
) -> None:
    """Write ``results.json``, ``samples_SUITE.jsonl`` and ``logs/environment.json`` into a report's
    draft."""
    for report in reports:
        out.jsonl(f"samples_{report.suite}.jsonl", _samples(samples[report.suite]))
    out.json("results.json", results(reports))
    out.json(
        "logs/environment.json",
        {
            "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "total_evaluation_time_seconds": round(sum(report.seconds for report in reports), 3),
            "pretty_env_info": f"{platform.platform()}, Python {platform.python_version()}, "
            f"{os.cpu_count()} processors",
            "versions": versions(),
        },
    )


def results(reports: Sequence[BenchmarkReport]) -> dict[str, Any]:
    """``results``, ``configs``, ``versions``, ``n-shot``, ``n-samples``, ``higher_is_better`` by
    suite, as lm-eval names them."""
    first = reports[0]
    return {
        "results": {report.suite: _result(report) for report in reports},
        "group_subtasks": {report.suite: [] for report in reports},
        "configs": {report.suite: _config(report) for report in reports},
        "versions": {report.suite: report.scorer_version for report in reports},
        "n-shot": {report.suite: 0 for report in reports},
        "higher_is_better": {
            report.suite: {_METRIC: True, "syntax_rate": True} for report in reports
        },
        "n-samples": {
            report.suite: {"original": report.n + report.infra, "effective": report.n}
            for report in reports
        },
        "config": {
            "model": first.model,
            "model_args": {"sha256": first.model_hash, "stage": first.stage},
        },
        "model_source": "sentinel_pipeline",
        "model_name": first.model,
        "model_name_sanitized": first.model.replace("/", "__"),
    }


def _result(report: BenchmarkReport) -> dict[str, Any]:
    rates = {
        _METRIC: (report.passed, report.n),
        "syntax_rate": (report.syntax_passed, report.syntax_n),
    }
    metrics: dict[str, Any] = {"alias": report.suite}
    for name, (count, n) in rates.items():
        metrics[f"{name},none"] = count / n if n else "N/A"
        metrics[f"{name}_stderr,none"] = (
            sqrt(count / n * (1 - count / n) / (n - 1)) if n > 1 else "N/A"
        )
    return metrics | {
        "interval,none": list(report.interval[:2]) if report.interval else "N/A",
        "infra": report.infra,
    }


def _config(report: BenchmarkReport) -> dict[str, Any]:
    return {
        "task": report.suite,
        "output_type": "generate_until",
        "num_fewshot": 0,
        "repeats": 1,
        "generation_kwargs": report.decoding,
        "metric_list": [{"metric": _METRIC, "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": report.scorer_version},
    }


def _samples(samples: Sequence[SampleScore]) -> Iterator[dict[str, Any]]:
    for place, sample in enumerate(samples):
        yield {
            "doc_id": place,
            "doc": {
                "task_id": sample.task_id,
                "category": sample.category,
                "family": sample.family,
            },
            "resps": [[mask(sample.completion)]],
            "filtered_resps": [mask(part(sample.completion).answer)],
            "filter": "none",
            "metrics": [_METRIC],
            "doc_hash": hashlib.sha256(sample.task_id.encode("utf-8", "surrogatepass")).hexdigest(),
            _METRIC: {"pass": 1.0, "fail": 0.0}.get(sample.outcome),
            "outcome": sample.outcome,
            "reason": mask(sample.reason),
            "syntax_ok": sample.syntax_ok,
            "stopped": sample.stopped,
            "tokens": sample.tokens,
        }
