"""The model card: what was trained, on what, how it was judged, with intervals and n, in the hub's
format.

The hub's own library writes the header (``model-index``). What this module does not do: praise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..bench.report import report_markdown
from ..costs import cost_rows, costs_markdown
from ..markdown import cell
from ..rates import percent, with_interval
from ..records import BenchmarkReport
from ..records.stages import SFT
from .evidence import Evidence

_USE = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".")
turns = [{"role": "user", "content": "…"}]
inputs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=128)[0]))
```"""


def model_card(evidence: Evidence, reports: Sequence[BenchmarkReport]) -> str:
    """The whole card, header and text."""
    from huggingface_hub import ModelCard

    head = _data(evidence, reports).to_yaml()
    parts = [
        f"# {evidence.recipe.name}-{evidence.stage}",
        evidence.recipe.description,
        _USE,
        f"## Results\n\n{report_markdown(reports)}",
        _gates(evidence),
        _data_text(evidence),
        _decontamination(evidence),
        _parity(evidence),
        _cost(evidence),
        _origin(evidence),
    ]
    text = "\n\n".join(part for part in parts if part)
    return str(ModelCard(f"---\n{head}\n---\n\n{text}\n"))


def _data(evidence: Evidence, reports: Sequence[BenchmarkReport]) -> Any:
    from huggingface_hub import EvalResult, ModelCardData

    terms = evidence.recipe.release
    source = evidence.recipe.model.source
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=report.suite,
            dataset_name=report.suite,
            metric_type="pass@1",
            metric_name="Pass@1",
            metric_value=round(report.pass_at_1, 6),
            metric_args={
                "n": report.n,
                "interval_95": [round(bound, 6) for bound in report.interval[:2]],
            },
        )
        for report in reports
        if report.pass_at_1 is not None and report.interval is not None
    ]
    hub = source not in ("embedded", "probed") and not Path(source).expanduser().exists()
    return ModelCardData(
        language=list(terms.language),
        license=terms.license,
        license_name=terms.license_name,
        license_link=terms.license_link,
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=source if hub else None,
        tags=["sentinel-pipeline", evidence.stage],
        model_name=f"{evidence.recipe.name}-{evidence.stage}",
        eval_results=results,
    )


def _gates(evidence: Evidence) -> str:
    rows = [
        f"| {v.name} | {v.verdict} | {with_interval(v.measured, v.interval)} | {v.n} | "
        f"{cell(v.reason)}{evidence.note(v)} |"
        for v in evidence.verdicts
    ]
    fences = [
        f"| {v.name} | {v.verdict} | {v.n} | {cell(v.reason)}{evidence.note(v)} |"
        for v in evidence.fences
    ]
    others = [
        f"| {o.name} | {o.severity} | {o.verdict} | {cell(o.reason)} |" for o in evidence.others
    ]
    head = (
        "## Gates passed\n\n| gate | verdict | measured [95 %] | n | rule |\n|---|---|---|---|---|"
    )
    scorer = evidence.verdicts[0].scorer_version
    lines = [head, *rows, "", f"Decided by scorer {scorer}, whose licences are in the ledger."]
    if fences:
        lines += [
            "",
            "## Fences passed",
            "",
            "| fence | verdict | n | found |",
            "|---|---|---|---|",
        ]
        lines += fences
    if evidence.recipe.model.capable_because:
        # One line of the recipe's author, which must not become a heading or a table here.
        reason = cell(evidence.recipe.model.capable_because)
        lines += [
            "",
            f"The base model may have been capable before training; it was trained because: {reason}",
        ]
    if others:
        lines += ["", "## Gates and fences that did not have to pass", ""]
        lines += ["| gate | severity | verdict | reason |", "|---|---|---|---|", *others]
    return "\n".join(lines)


def _data_text(evidence: Evidence) -> str:
    mix = evidence.ancestor("rebalanced_mix")
    if mix is None and SFT not in evidence.recipe.chain:
        rows = _rows_of_stages(evidence)
        if rows:
            return "\n".join(["## Training data", "", *rows])
        # A stage that trained on no rows of its own: the tasks that it answered.
        bank = evidence.ancestor("task_bank")
        if bank is None:
            return "## Training data\n\nThe task bank that this was trained on is no longer there."
        count = bank.manifest.metrics.get("train", 0)
        return (
            f"## Training data\n\nThe model's own answers to training tasks, {count} in the task "
            f"bank, content hash `{bank.hash[:16]}`; rewarded by the scorers that judge it."
        )
    if mix is None:
        return "## Training data\n\nThe mix that this was trained on is no longer there."
    report = mix.json("mix.json")
    sources = [
        f"| {cell(name)} | {count} |" for name, count in sorted(report.get("sources", {}).items())
    ]
    quotas = [
        f"| {cell(quota['category'])} | {percent(quota['share'])} | {quota['rows']} |"
        for quota in report.get("quotas", ())
    ]
    lines = [
        "## Training data",
        "",
        f"{mix.manifest.metrics.get('rows', 0)} rows, content hash `{mix.hash[:16]}`; each accepted by the critic.",
        "",
        *(["| source | rows |", "|---|---|", *sources, ""] if sources else []),
        *(
            ["| category | share in the recipe | rows |", "|---|---|---|", *quotas, ""]
            if quotas
            else []
        ),
    ]
    return "\n".join([*lines, *_rows_of_stages(evidence)]).rstrip()


def _rows_of_stages(evidence: Evidence) -> list[str]:
    """A sentence for each stage behind the checkpoint that trained on rows of its own, beside the
    mix."""
    lines = []
    for stage in evidence.recipe.chain:
        table = evidence.ancestor(stage.trains_on)
        if stage is SFT or stage.rows is None or table is None:
            continue
        count = table.manifest.metrics.get(stage.rows.metric, 0)
        name = stage.trains_on.replace("_", " ").capitalize()
        lines.append(f"{name}: {count}, content hash `{table.hash[:16]}`.")
    return lines


def _decontamination(evidence: Evidence) -> str:
    clean = evidence.ancestor("decontamination_report")
    tasks = evidence.checkpoint.manifest.metrics.get("contaminated")
    if clean is None and SFT not in evidence.recipe.chain and tasks is not None:
        return f"## Decontamination\n\n{tasks} training tasks overlapped a suite and were left out."
    if clean is None:
        return "## Decontamination\n\nNo report: treat the results as contaminated."
    numbers = clean.manifest.metrics
    sentence = f"{numbers.get('contaminated', 0)} of {numbers.get('rows', 0)} candidate rows overlapped a suite"
    return f"## Decontamination\n\n{sentence} and were left out (`decontamination.json`)."


def _parity(evidence: Evidence) -> str:
    rows = [
        f"| {variant['name']} | {variant['logit_distance']:g} | {variant['tolerance']:g} | {variant['answers_differ']} |"
        for variant in evidence.parity.get("variants", ())
    ]
    head = "| form | largest logit distance | allowed | answers that differ |\n|---|---|---|---|"
    count = evidence.parity.get("prompts", 0)
    return "\n".join(
        [f"## Export parity\n\nOver {count} prompts, against these weights:\n\n{head}", *rows]
    )


def _cost(evidence: Evidence) -> str:
    logs = {ancestor.manifest.asset: ancestor.folder / "logs" for ancestor in evidence.ancestors}
    rows = cost_rows(logs, evidence.recipe.budget)
    return f"## Cost\n\n{costs_markdown(rows, evidence.recipe.budget)}" if rows else ""


def _origin(evidence: Evidence) -> str:
    rows = [
        f"| {m.manifest.asset} | {m.manifest.run_id[:8]} | `{m.hash[:16]}` |"
        for m in evidence.ancestors
    ]
    versions = ", ".join(
        f"{name} {version}" for name, version in evidence.checkpoint.manifest.versions.items()
    )
    head = f"## Lineage\n\nSeed {evidence.recipe.seed}; {versions}.\n\n| asset | run | content hash |\n|---|---|---|"
    return "\n".join([head, *rows])
