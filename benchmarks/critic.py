"""Hygiene and format labels on one core, against detect-secrets' defaults and datatrove's filters
on the same rows, in one run.

Rows are Python definitions of the standard library of about 1 KB. Ours gives three labels a row:
``no_secret``, ``no_repetition`` and ``format_pass`` (extraction included); ``all_labels`` adds
parsing and entry points. A peer that is not installed is named. Seconds are CPU seconds of this
process, the best of ``--rounds``.

    python benchmarks/critic.py [--rows 3000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import ast
import json
import sysconfig
import tempfile
import textwrap
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline.critic.hygiene import no_repetition, no_secret
from sentinel_pipeline.critic.labels import format_pass, label
from sentinel_pipeline.critic.scorers.scorer import Reading
from sentinel_pipeline.critic.thoughts import Parted
from sentinel_pipeline.records import Candidate, Message

BAR = 3000


def library_rows(count: int) -> list[Candidate]:
    found = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        lines = source.split("\n")
        nodes = (
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        )
        found += [
            textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])) for node in nodes
        ]
    texts = [text for text in found if 600 <= len(text) <= 1600]
    rng = Random(1)
    ask = (Message("user", "Write the definition in Python."),)
    return [
        Candidate(
            id=str(number),
            source="library",
            messages=ask,
            completion=f"# row {number}\n{rng.choice(texts)}",
        )
        for number in range(count)
    ]


def hygiene_and_form(rows: list[Candidate]) -> int:
    refused = 0
    for row in rows:
        prompt = row.messages[0].content
        reading = Reading(
            "python", extract(row.completion, "python"), None, None, Parted("", row.completion)
        )
        labels = (
            no_secret(row.completion, (prompt,)),
            no_repetition(row.completion, code=True),
            format_pass(reading, row, prompt),
        )
        refused += not all(one.value for one in labels)
    return refused


def all_labels(rows: list[Candidate]) -> int:
    return sum(not one.accepted.value for one in label(rows))


def detect_secrets_defaults(rows: list[Candidate]) -> int:
    """Through files, as it is meant to be used: asked line by line it reports every quoted
    string."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    refused = 0
    with tempfile.TemporaryDirectory() as folder, default_settings():
        for row in rows:
            path = Path(folder) / f"{row.id}.py"
            path.write_text(row.completion, encoding="utf-8")
            refused += any(True for _ in scan_file(str(path)))
    return refused


def datatrove_filters(rows: list[Candidate]) -> int:
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

    filters: list[Any] = [GopherRepetitionFilter(), GopherQualityFilter()]
    refused = 0
    for row in rows:
        document = Document(text=row.completion, id=row.id)
        refused += not all(one.filter(document) is True for one in filters)
    return refused


PEERS = {"detect_secrets": detect_secrets_defaults, "datatrove": datatrove_filters}


def measured(
    work: Callable[[list[Candidate]], int], rows: list[Candidate], rounds: int
) -> dict[str, Any]:
    work(rows[:20])
    best, refused = float("inf"), 0
    for _ in range(rounds):
        began = time.process_time()
        refused = work(rows)
        best = min(best, time.process_time() - began)
    return {"rows_per_s": round(len(rows) / best), "refused": refused, "rows": len(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = library_rows(arguments.rows)
    result: dict[str, Any] = {
        "benchmark": "critic",
        "mean_chars": round(sum(len(row.completion) for row in rows) / len(rows)),
        "bar_rows_per_s": BAR,
        "hygiene_and_form": measured(hygiene_and_form, rows, arguments.rounds),
        "all_labels": measured(all_labels, rows, arguments.rounds),
    }
    few = rows[: max(200, len(rows) // 10)]
    for name, work in PEERS.items():
        if find_spec(name) is None:
            result[name] = f"not installed: pip install {name.replace('_', '-')}"
            continue
        try:
            result[name] = measured(work, few, 1)
        except ImportError as error:
            result[name] = f"does not run here: {error}"
            continue
        result[f"times_{name}"] = round(
            result["hygiene_and_form"]["rows_per_s"] / result[name]["rows_per_s"], 1
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
