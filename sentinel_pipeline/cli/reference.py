"""``docs/command.md``, written from the verbs themselves: ``python -m
sentinel_pipeline.cli.reference > docs/command.md``.

A test holds the page to what this writes. What this module does not do: explain; every word is a
docstring's or an option's help.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from inspect import cleandoc
from typing import Any, Literal, get_args, get_origin

import typer

from . import PANELS, app

HEAD = """# The command

Written from the verbs by `python -m sentinel_pipeline.cli.reference > docs/command.md`, and tested against them. Every verb prints
for people on standard error; with `--json`, one JSON object goes to standard output,
of an error `{"error": {"kind", "message", "exit_code"}}`.

| exit code | what it means |
|---|---|
| 0 | done |
| 1 | failed: damage, or two forms of a model that differ |
| 2 | bad input or usage: the message names file, field and what to do |
| 3 | a gate refused: the message names the evidence that is missing |
| 4 | infrastructure: this machine, a server or the network; run it again |

## One address for a model

| address | the model |
|---|---|
| `tiny/sft` | the current checkpoint of a recipe's stage |
| `tiny` | the last stage of the recipe that is finished |
| `./model` | a Transformers folder, or a checkpoint's folder with `model/` inside |
| `./model.gguf`, `package:NAME` | a GGUF file, or the weights that an installed package carries |
| `Qwen/Qwen2.5-0.5B`, `ORG/NAME@REVISION` | a model of the hub |
| `http://127.0.0.1:8000/v1#my-model` | a model behind an OpenAI-compatible server |

`bench` and `compare` take all of them, `parity` those whose weights are here, `chat` and `release` those of a recipe; `plan` and
`next` take a recipe, or one stage of it. A recipe's name comes first: a folder of the same name is `./NAME`.

## What `--json` prints

Lines and keys that other programs rely on; an object may carry more.

| verb | shape |
|---|---|
"""

SHAPES = {
    "run": '{"recipe", "run_id", "stages": [{"name", "seconds", "status"}], "reports": {STAGE: {SUITE: {"n", "pass_at_1", '
    '"interval", "syntax_rate", "infra"}}}, "comparisons": [{"from", "to", "suite", "n", "difference", "interval", "p"}], '
    '"gates": [{"name", "subject", "verdict", "measured", "threshold", "n", "interval", "reason", "severity"}], '
    '"decisions", "costs", "warnings"}',
    "report": '{"recipe", "rates": {SUITE: {STAGE: RATE}}, "change", "gates": [{"name", "state", "reason"}], "next", "html"}',
    "plan": '{"recipe", "model", "tasks": {"train": {FAMILY: COUNT}, "window", "heldout", "judged", "answers", '
    '"sources"}, "trainers": {STAGE: {…}}, "device", "disk_gib", "hours": {STAGE: HOURS}, "total_hours", "cost", '
    '"gates": [{"name", "suite", "items", "needs", "truth", "power"}], "warnings", "refusals": '
    '[{"field", "reason", "exit_code"}]}',
    "next": '{"recipe", "action", "undecided", "trail"}; after GRPO also "verdict", "scenario", "evidence", '
    '"next_recipe", "written"',
    "release": '{"recipe", "stage", "checkpoint", "gates", "fences", "others", "parity", "folder", "content_hash", '
    '"files", "pushed"}',
    "label": '{"rows", "quarantined", "accepted", "evidence": {QUALITY: ROWS}, "labels": {LABEL: {"true", "false"}}, "known"}',
    "extract": 'a line for each row, {"value", "leniencies", "error"}; with --compare one object of counts',
    "families": '{"families": [{"family", "category", "level", "compositions", "prompt_words", "answer_tokens", "turns", "tasks", '
    '"references_passed", "mutants", "mutants_passed", "mutants_passed_share"}]}',
    "mix": '{"recipe", "run_id", "content_hash", "folder", "rows", "quotas", "left_out", "decontamination", "corrections"}',
    "trace": '{"id", "recipe", "source", "file", "line", "labels", "overlaps", "mixes", "checkpoints"}; with --item '
    '{"item", "nearest", "outcomes"}',
    "bench": '{"model", "model_hash", "engine", "run_id", "report", "scorer_version", "suites": {SUITE: {"n", "pass_at_1", '
    '"interval", "syntax_rate", "infra", "pass_at", "by_family"}}, "unanswered", "seconds"}; for a server also "usage"',
    "compare": '{"from", "to", "suites": {SUITE: {"n", "a", "b", "difference", "interval", "mcnemar_p", "verdict", "void"}}}',
    "power": '{"base", "gain", "alpha", "items", "items_needed", "power", "detectable_gain"}',
    "grade": '{"suite", "n_tasks", "n_samples", "pass_at": {K: RATE}, "interval", "outcomes": {OUTCOME: COUNT}, "seconds", '
    '"samples_per_second", "isolation", "refused", "missing"}; results row by row in SAMPLES_results.jsonl',
    "parity": '{"passed", "prompts", "logits", "variants", "missing", "pickles", "not_compared"}',
    "audit": '{"scorers": [{"name", "version", "gold", "bad_accepted", "stable", "licensed"}]}',
    "gate list": '{"gates": [{"name", "subject", "verdict", "measured", "threshold", "n", "interval", "reason", '
    '"recorded_at", "stale", "old"}], "audits": [as in gates]}',
    "gate explain": 'a gate as in gate list, with "error_rates"',
    "gate sign-off": '{"gate", "verdict", "by", "subject_hash", "dagster"}',
    "judge licence": '{"judge", "judge_hash", "licensed", "kappa", "interval", "n", "attempt", "checks", "labels"}; '
    'with --dry-run {"labels", "pass", "fail", "missing", "requests", "attempt", "blind", "dry_run"}',
    "review import": '{"imported", "duplicates", "changed", "quarantined", "drafts", "trusted", "joined", "extra"}',
    "review export": '{"rows", "new", "withheld", "waiting", "trusted", "unseen", "elsewhere", "unassigned", "policy", "sha256"}',
    "review assign": '{"cards", "recipes", "removed", "dry_run"}',
    "alert test": '{"channels": {NAME: {"delivered", "error"}}}',
    "alert list": '{"alerts": [{"at", "key", "kind", "recipe", "title", "body", "link", "deliveries"}]}',
    "doctor": '{"ready", "home", "recipes", "sandbox", "checks": [{"name", "status", "found", "fix"}], "versions"}',
    "verify": '{"artifacts", "damaged": [{"artifact", "file"}], "chains": '
    '[{"name", "records", "adopted", "unchained", "since", "head", "broken"}]}',
    "init": '{"folder", "recipes", "first"}',
    "gc": '{"removed", "removable", "bytes", "labels"}',
    "archive add": '{"state", "changed", "unchanged", "dry_run"}; supersede and undo likewise',
    "archive list": '{"marks": [{"artifact", "content_hash", "state", "reason", "marked_by", "replaced_by", "recorded_at"}]}',
    "mirror push": '{"artifacts", "damaged", "ledger"}',
}
"""Verb -> the keys of its JSON that other programs may rely on."""


def verbs() -> Iterator[tuple[str, str, Any]]:
    """Panel, name (``gate list``) and command of every verb, in the order of the help."""
    root: Any = typer.main.get_command(app)
    for panel, names in PANELS.items():
        for name in names:
            yield from _below(panel, name, root.commands[name])


def _below(panel: str, name: str, command: Any) -> Iterator[tuple[str, str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield panel, name, command
        return
    for child, below in children.items():
        yield from _below(panel, f"{name} {child}", below)


def page() -> str:
    """The whole page, as Markdown."""
    shapes = [f"| `{name}` | `{_cell(shape)}` |" for name, shape in SHAPES.items()]
    parts = [HEAD + "\n".join(shapes)]
    last_panel = ""
    for panel, name, command in verbs():
        if panel != last_panel:
            parts.append(f"## {panel}")
            last_panel = panel
        parts.append(_section(name, command))
    return "\n\n".join(parts) + "\n"


def _section(name: str, command: Any) -> str:
    usage = [f"sentinel {name}"]
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            shown = parameter.metavar or parameter.name.upper()
            spelling = f"`{shown.strip('[].')}`"
            # Typer brackets an optional argument in some places only.
            text = shown if parameter.required or shown.startswith("[") else f"[{shown}]"
            usage.append(
                text + ("..." if parameter.nargs == -1 and not text.endswith("...") else "")
            )
        else:
            spelling = ", ".join(f"`{option}`" for option in parameter.opts)
            choices = _choices(parameter.type_descriptor.annotation)
            if choices:
                spelling += f" {', '.join(choices)}"
        default = ""
        if parameter.default not in (None, False, "", ()) and not callable(parameter.default):
            default = str(getattr(parameter.default, "value", parameter.default))
        if parameter.required:
            default = "required"
        rows.append(f"| {spelling} | {_cell(parameter.help or '')} | {_cell(default)} |")
    lines = [f"### sentinel {name}", "", f"    {' '.join(usage)} [options]", ""]
    lines += _paragraphs(command.help or "")
    if rows:
        lines += ["", "| argument or option | what it does | default |", "|---|---|---|", *rows]
    return "\n".join(lines)


def _choices(annotation: Any) -> list[str]:
    """Values of a ``Literal`` or an ``Enum``."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return []


def _paragraphs(text: str) -> list[str]:
    """A docstring as Markdown: each paragraph on one line, examples indented as they are."""
    paragraphs = [
        each if each.startswith("    ") else " ".join(each.split())
        for each in cleandoc(text).split("\n\n")
    ]
    return "\n\n".join(paragraphs).splitlines()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
