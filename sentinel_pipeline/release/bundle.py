"""The bundle: a folder that Transformers loads as it is, with the model card and the evidence
beside the weights.

Weights are copied byte by byte and hashed against the checkpoint's manifest, so what its gates and
its parity say holds for the copy. What this module does not do: convert, quantize, or include
optimizer state.
"""

from __future__ import annotations

import shutil
from typing import Any

from ..bench.report import report_from_json
from ..errors import GateRefused, Infrastructure
from ..records import BenchmarkReport
from ..store import Artifact, Draft, sha256_file
from .card import model_card
from .evidence import Evidence
from .papers import error_analysis, final_comparison, reproduction

KINDS = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Files of a model's folder that hold data. Everything else may be code, which loading would
run."""
NEEDED = ("config.json", "generation_config.json", "tokenizer_config.json", "chat_template.jinja")


def write_bundle(out: Draft, evidence: Evidence) -> None:
    """Fill ``out``: weights, tokenizer, template, card, benchmarks, gates, parity, decontamination,
    the final comparison, the errors that are left, and what makes the same again.

    Raises:
        GateRefused: the model's folder lacks a file that others need, or holds one that may be
            code.
        Infrastructure: the weights are not those that were judged.
    """
    judged = {
        entry.path.removeprefix("model/"): entry.sha256
        for entry in evidence.checkpoint.manifest.files
        if entry.path.startswith("model/")
    }
    # A folder in the model, or a file of another kind than weights and JSON, may hold code that
    # `trust_remote_code` would run at whoever downloads it.
    odd = sorted(name for name in judged if "/" in name or not name.endswith(KINDS))
    weights = [name for name in judged if name.endswith(".safetensors")]
    lacking = [name for name in NEEDED if name not in judged] + (
        [] if weights else ["model.safetensors"]
    )
    if odd or lacking:
        problem = f"holds {odd[0]}, which may be code" if odd else f"lacks {lacking[0]}"
        raise GateRefused(f"The checkpoint's model {problem}: it is not released.")
    for name, sha256 in judged.items():
        source = evidence.checkpoint.folder / "model" / name
        if not source.is_file():
            raise Infrastructure(f"{source} is missing: rebuild the checkpoint.")
        # Hashed after the copy: the file may change between a check and a copy.
        shutil.copyfile(source, out.folder / name)
        if sha256_file(out.folder / name) != sha256:
            raise Infrastructure(f"{source} is not what was judged: rebuild the checkpoint.")
    reports = read_reports(evidence.report)
    for suite in (report.suite for report in reports):
        out.json(
            f"benchmarks/{evidence.stage}/{suite}.json",
            evidence.report.json(f"{suite}/report.json"),
        )
    base = evidence.ancestor("base_report")
    for report in read_reports(base) if base else []:
        assert base is not None
        out.json(f"benchmarks/base/{report.suite}.json", base.json(f"{report.suite}/report.json"))
    for artifact in evidence.selected:
        for report in read_reports(artifact):
            out.json(
                f"benchmarks/selected/{artifact.manifest.run_id}/{report.suite}.json",
                artifact.json(f"{report.suite}/report.json"),
            )
    out.text("final_comparison.txt", final_comparison(evidence))
    out.text("errors.md", error_analysis(evidence))
    out.json("reproduction.json", reproduction(evidence, evidence.home))
    out.json("gates.json", [gate_json(verdict) for verdict in evidence.verdicts])
    out.json("fences.json", [gate_json(verdict) for verdict in evidence.fences])
    out.json("parity.json", evidence.parity)
    clean = evidence.ancestor("decontamination_report")
    if clean:
        out.json("decontamination.json", clean.json("report.json"))
    out.json("release.json", summary(evidence))
    out.text("README.md", model_card(evidence, reports))
    out.metrics |= {
        "stage": evidence.stage,
        "checkpoint": evidence.checkpoint.hash,
        "gates": len(evidence.verdicts),
    }


def read_reports(artifact: Artifact) -> list[BenchmarkReport]:
    """A report artifact's suites, by name."""
    names = sorted(path.parent.name for path in artifact.folder.glob("*/report.json"))
    return [report_from_json(artifact.json(f"{name}/report.json")) for name in names]


def summary(evidence: Evidence) -> dict[str, Any]:
    """What is released, for programs."""
    return {
        "recipe": evidence.recipe.name,
        "stage": evidence.stage,
        "checkpoint": evidence.checkpoint.hash,
        "report": evidence.report.hash,
        "gates": {verdict.name: verdict.verdict for verdict in evidence.verdicts},
        "fences": {verdict.name: verdict.verdict for verdict in evidence.fences},
        "others": [state._asdict() for state in evidence.others],
        "licence": evidence.recipe.release.license,
        "made_from": [
            {
                "asset": ancestor.manifest.asset,
                "run_id": ancestor.manifest.run_id,
                "content_hash": ancestor.hash,
            }
            for ancestor in evidence.ancestors
        ],
        "versions": evidence.checkpoint.manifest.versions,
    }


def gate_json(verdict: Any) -> dict[str, Any]:
    """A verdict as ``sentinel run --json`` prints it, with what it was decided by."""
    names = (
        "name", "subject", "subject_hash", "verdict", "measured", "threshold", "n", "reason",
        "scorer_version", "policy_hash", "checkpoint_hash", "suite_hash", "decoding", "look",
    )  # fmt: skip
    row = {name: getattr(verdict, name) for name in names}
    return row | {"interval": list(verdict.interval) if verdict.interval else None}
