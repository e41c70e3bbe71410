"""The recipe that a new project begins with, for a file of the user's: what its rows allow.

What this module does not do: choose a model, or tune anything. The recipe is short and is meant to
be edited.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

from ..candidates.raw import reference
from ..mix.categories import HELD_BACK, category_of
from ..mix.row_reading import RowReading
from ..records import Quarantined
from ..records.task_source import TaskSource
from .divide import divide
from .tables import as_answers

SAMPLE = 1000
"""Rows that are looked at, the first ones."""
_TEXT = """# {rows}.
description = "The loop over {name}."
seed = 17
stages = [{stages}]

# A model made on the spot, to try the loop. Your own: source = "folder:PATH" or "hub:OWNER/NAME".
[model]
source = "embedded"

[[tasks.source]]
file = {file}

[mix]
{quality}shares = {{ {shares} }}

[sft]
num_train_epochs = 3.0
batch_size = {batch}
{stages_settings}"""
_SCORED = """
[dpo]
batch_size = {batch}

[grpo]
method = "full"
max_steps = 50
prompts_per_step = {prompts}
num_generations = 4
max_prompt_length = 256
max_completion_length = 128

# A measure beside your held-out tasks that the embedded model cannot pass: its gate is off.
[gates.smoke_pass_at_1]
severity = "off"
"""
_UNSCORED = """
# There is nothing of yours to measure by: the smoke suite stands in. Rows with tests or a verifier make a held-out suite.
[sft.windows]
suite = "smoke"

[bench]
suites = ["smoke"]

[gates.capability_gap]
suite = "smoke"

[gates.pass_at_1]
suite = "smoke"

[gates.syntax_rate]
suite = "smoke"
"""
_UNVERIFIED = """# Nothing can check these answers: form and hygiene have to do.
minimum_quality = "unverified"
"""


def first_recipe(root: Path, place: str, seed: int = 17) -> str:
    """The text of a recipe over the rows of ``place``, a file or folder relative to ``root``.

    Raises:
        BadInput: the file does not exist, or no row of it can be read.
    """
    source = TaskSource(file=place, limit=SAMPLE)
    categories: Counter[str] = Counter()
    scored = 0
    rows = 0
    quarantined = 0
    with tempfile.TemporaryDirectory(prefix="sentinel-init-") as scratch:
        division = divide((source,), seed, root=root, scratch=Path(scratch))
        for item in division.rows(check=False):
            if isinstance(item, Quarantined):
                quarantined += 1
                continue
            rows += 1
            task = item.row.task
            scored += item.row.scorable
            candidates = [reference(task)] if task is not None else list(as_answers(item.row))
            for candidate in candidates[:1]:
                category = category_of(RowReading(candidate)).category
                if category not in HELD_BACK:
                    categories[category] += 1
    counts = f"{rows} of the first {rows + quarantined} rows can be used, {scored} can be scored"
    total = sum(categories.values())
    parts = {name: round(count / total, 2) for name, count in categories.most_common()}
    parts = {name: share for name, share in parts.items() if share}
    first = next(iter(parts))
    parts[first] = round(1 - sum(share for name, share in parts.items() if name != first), 2)
    train = sum(division.report.sides["train"].values()) + division.report.unscored
    batch = max(size for size in (1, 2, 4, 8, 16, 32) if size == 1 or 2 * size <= train)
    settings = _SCORED.format(batch=max(batch // 2, 1), prompts=max(batch // 2, 1))
    return _TEXT.format(
        batch=batch,
        stages_settings=settings if scored else _UNSCORED,
        rows=counts,
        name=json.dumps(Path(place).name, ensure_ascii=False)[1:-1],
        stages='"sft", "dpo", "grpo"' if scored else '"sft"',
        file=json.dumps(place, ensure_ascii=False),
        quality="" if scored else _UNVERIFIED,
        shares=", ".join(f"{name} = {share}" for name, share in parts.items()),
    )
