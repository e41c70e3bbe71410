"""``sentinel label``: the critic over files, outside any run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from ..errors import BadInput
from ..records import LABELS, Candidate, CriticLabels, Quarantined
from ..records.data_spec import CriticSpec
from ..secrets import mask
from ..store import find_home, read_parquet, write_jsonl
from ..store.files import atomic_write
from ..store.label_cache import LabelCache, StateError
from ..store.labelled import (
    accepted_rows,
    count_evidence,
    count_labels,
    reject_reasons,
    rejected_rows,
)
from ..store.tables import table_writer
from .console import AsJson, emit, err, progress, warn


def label(
    files: Annotated[
        list[Path], typer.Argument(help="JSONL, JSON, CSV, TSV or Parquet files; .gz and .zst too.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for labels.parquet, accepted.jsonl, rejected.jsonl, quarantine.jsonl."
        ),
    ],
    workers: Annotated[
        int | None, typer.Option(help="Grader workers; every core by default.")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="Where rows are read and labelled: this machine, or the Ray cluster of RAY_ADDRESS."
        ),
    ] = "local",
    as_json: AsJson = False,
) -> None:
    """Label every row of FILES with the critic's seven labels; tests run in the sandbox.

    Rows may be messages, ShareGPT, Alpaca, Dolly, a request and an answer under any usual names,
    rendered text, preference pairs, MBPP or HumanEval, with or without tests. A row that is marked
    as not to be trained on is quarantined. An accepted row is verified (its verifier passed),
    parsed, or unverified: nothing but form and hygiene speaks for it.

    Example:

        sentinel label mbpp.jsonl --out labelled
    """
    missing = [path for path in files if not path.exists()]
    if missing:
        raise BadInput("no such file.", file=missing[0], fix="Check the name.")
    out.mkdir(parents=True, exist_ok=True)
    rows, quarantined = _read(files, out, engine)
    if not rows + quarantined:
        raise BadInput(
            "holds no row.", file=files[0], fix="An empty set has no labels: check what wrote it."
        )
    labelled_before = _label(out, rows, workers, engine)
    result = _write(out, rows, quarantined) | {"known": labelled_before}
    table = Table(
        "label",
        "true",
        "false",
        title=f"{result['rows']} rows, {result['accepted']} accepted, {result['quarantined']} quarantined",
    )
    for name, counts in result["labels"].items():
        table.add_row(name, str(counts["true"]), str(counts["false"]))
    for quality, count in result["evidence"].items():
        table.add_row(f"  {quality}", str(count), "")
    err.print(table)
    for reason in result["reasons"][:10]:
        err.print(
            f"{reason['rows']:7} {reason['label']}: {reason['code']}", markup=False, highlight=False
        )
    err.print(f"Written to {out}", highlight=False)
    if result["quarantined"]:
        warn(
            f"{result['quarantined']} rows could not be read and are not labelled: reasons stand in "
            f"{out / 'quarantine.jsonl'}"
        )
    if as_json:
        keys = ("rows", "quarantined", "accepted", "evidence", "labels", "known")
        emit({key: result[key] for key in keys})


def _read(files: list[Path], out: Path, engine: str) -> tuple[int, int]:
    from ..candidates.file_blocks import read_on_ray
    from ..candidates.files import read_files

    quarantined = 0
    with (
        table_writer(out / "candidates.parquet", "candidates") as good,
        atomic_write(out / "quarantine.jsonl") as bad,
    ):

        def refuse(row: Quarantined) -> None:
            nonlocal quarantined
            quarantined += 1
            bad.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")

        if engine == "ray":
            for part in read_on_ray(files):
                good.extend(part.candidates)
                for row in part.quarantined:
                    refuse(row)
        else:
            for candidate in read_files(files):
                if isinstance(candidate, Quarantined):
                    refuse(candidate)
                else:
                    good.append(candidate.to_row())
    return good.rows, quarantined


def _label(out: Path, rows: int, workers: int | None, engine: str) -> int:
    """Write the labels' table; returns how many rows had been labelled before, by this scorer, in
    whatever file."""
    from ..critic.label_blocks import label_table
    from ..critic.labels import label as label_all

    source = out / "candidates.parquet"
    with (
        _cache() as cache,
        progress("labelling", "rows") as bar,
        table_writer(out / "labels.parquet", "labels") as table,
    ):
        if engine == "ray":
            task = bar.add_task("labelling", total=rows)
            for part in label_table(source, spec=CriticSpec(engine="ray"), cache=cache):
                table.extend(part)
                bar.advance(task, part.num_rows)
        else:
            candidates = (Candidate.from_row(row) for row in read_parquet(source))
            for labels in bar.track(
                label_all(candidates, workers=workers, cache=cache), total=rows
            ):
                table.append(labels.to_row())
        return cache.known if cache else 0


@contextmanager
def _cache() -> Iterator[LabelCache | None]:
    """The project's labels; None, saying so, where its state cannot be written."""
    path = find_home().label_cache
    try:
        cache = LabelCache(path)
    except (OSError, StateError) as error:
        err.print(
            f"Labels are not kept for a rerun: {path}: {error}.",
            style="yellow",
            markup=False,
            highlight=False,
        )
        yield None
        return
    with cache:
        yield cache


def _write(out: Path, rows: int, quarantined: int) -> dict[str, Any]:
    candidates = out / "candidates.parquet"
    labels = out / "labels.parquet"
    accepted = write_jsonl(out / "accepted.jsonl", _as_trl(accepted_rows(candidates, labels)))
    write_jsonl(out / "rejected.jsonl", _with_reasons(rejected_rows(candidates, labels)))
    reasons = reject_reasons(labels)
    counts = (
        {
            name: {key: row[key] for key in ("true", "false")}
            for name, row in count_labels(labels).items()
        }
        if rows
        else {name: {"true": 0, "false": 0} for name in LABELS}
    )
    candidates.unlink()
    return {
        "rows": rows,
        "quarantined": quarantined,
        "accepted": accepted,
        "evidence": count_evidence(labels),
        "labels": counts,
        "reasons": reasons,
    }


def _as_trl(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        completion = [{"role": "assistant", "content": row["completion"]}]
        yield {
            "id": row["id"],
            "prompt": row["messages"],
            "completion": completion,
            "file": row["file"],
            "line": row["line"],
        } | _kept(row)


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    """What a row said of itself, so that what is written here is judged again as it was; the
    verifier as JSON text, as tables hold it."""
    return {
        name: row[name] for name in ("task_id", "category", "verifier") if row[name] is not None
    }


def _with_reasons(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rejected rows are for people to look at: nothing is trained on them, and they show no
    secret."""
    for row in rows:
        labels = CriticLabels.from_row(row)
        reasons = {
            name: getattr(labels, name).reason
            for name in LABELS[:-1]
            if getattr(labels, name).value is False
        }
        place = {key: row[key] for key in ("id", "messages", "completion", "file", "line")}
        yield mask(place | _kept(row) | {"reasons": reasons})
