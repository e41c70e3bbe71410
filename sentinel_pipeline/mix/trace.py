"""Where a row came from and where it went; and which training rows are nearest to a benchmark item.

Everything is read from finished artifacts: tables by id, lineage by the parents in their manifests.
What this module does not do: recompute a label, or look into drafts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import BadInput, did_you_mean
from ..records import LABELS, Row, Task
from ..store import Artifact, Home, Store, read_parquet
from ..store.catalog import query
from ..store.manifest import read_manifest
from .nearest import nearest_rows

_FROM = "id, source, category, task_id, file, line"


def trace_row(home: Home, recipe: str, name: str) -> dict[str, Any] | None:
    """Everything known of row ``name`` in one recipe's artifacts; None where none of them has it.

    Returns:
        ``id``, ``recipe``, ``origin`` (candidate or repair); where it was read: ``source``,
            ``file``, ``line``, ``task_id``;
        ``labels`` with reasons; ``repair``, what a trace was made of; ``overlaps`` with benchmark
            items; ``mixes``, one entry for
        each mix that saw it: taken or why not, the row that stood for it, the duplicates it stood
            for; and the ``checkpoints``
        that trained on it.
    """
    store = Store.reading(home, recipe)
    origin = _candidate(store, name) or _repair(store, name)
    if origin is None:
        return None
    mixes = [
        place
        for mix in store.history("rebalanced_mix")
        if (place := _in_mix(mix, name)) is not None
    ]
    taken = {mix["content_hash"] for mix in mixes if mix["taken"]}
    checkpoints = [
        checkpoint
        for checkpoint in _manifests(home, recipe)
        if checkpoint["asset"].endswith("_checkpoint")
    ]
    return {
        **origin,
        "recipe": recipe,
        "overlaps": _overlaps(store, name),
        "mixes": mixes,
        "checkpoints": [
            {key: checkpoint[key] for key in ("asset", "run_id", "content_hash")}
            for checkpoint in checkpoints
            if taken & _ancestors(checkpoint, home, recipe)
        ],
    }


def _candidate(store: Store, name: str) -> dict[str, Any] | None:
    for raw in reversed(store.history("raw_candidates")):
        rows = _rows(raw, "candidates.parquet", f"select {_FROM} from t where id = ? limit 1", name)
        if rows:
            return {**rows[0], "origin": "candidate", "repair": None, **_labels(store, raw, name)}
    return None


def _labels(store: Store, raw: Artifact, name: str) -> dict[str, Any]:
    """The labels of the newest critic that read these very candidates."""
    for labels in reversed(store.history("critic_labels")):
        if any(parent.content_hash == raw.hash for parent in labels.manifest.parents):
            rows = _rows(labels, "labels.parquet", "select * from t where id = ? limit 1", name)
            if rows:
                (row,) = rows
                found = {
                    label: {"value": row[label], "reason": row[f"{label}_reason"]}
                    for label in LABELS
                }
                return {"labels": found, "scorer_version": row["scorer_version"]}
    return {"labels": {}, "scorer_version": None}


def _repair(store: Store, name: str) -> dict[str, Any] | None:
    columns = "id, task_id, category, failed_id, accepted_id, reason"
    for repairs in reversed(store.history("repair_traces")):
        rows = _rows(
            repairs, "repairs.parquet", f"select {columns} from t where id = ? limit 1", name
        )
        if rows:
            row = rows[0]
            fields = {key: row[key] for key in ("id", "task_id", "category")}
            made_of = {key: row[key] for key in ("failed_id", "accepted_id", "reason")}
            ends = {key: _candidate(store, made_of[key]) for key in ("failed_id", "accepted_id")}
            made_of |= {key.removesuffix("_id"): end for key, end in ends.items()}
            accepted = ends["accepted_id"] or {
                "labels": {},
                "scorer_version": None,
                "file": None,
                "line": None,
            }
            label_fields = {
                key: accepted[key] for key in ("file", "line", "labels", "scorer_version")
            }
            return {
                **fields,
                **label_fields,
                "source": "repair",
                "origin": "repair",
                "repair": made_of,
            }
    return None


def _in_mix(mix: Artifact, name: str) -> dict[str, Any] | None:
    places = {
        "run_id": mix.manifest.run_id,
        "content_hash": mix.hash,
        "made": mix.manifest.created_at,
    }
    sql = "select id, reason as kind, similarity from t where stood_for_by = ? order by id"
    stood_for = _rows(mix, "left_out.parquet", sql, name)
    left = _rows(mix, "left_out.parquet", "select * from t where id = ? limit 1", name)
    if left:
        keys = ("category", "category_reason", "reason", "stood_for_by", "similarity")
        return {
            **places,
            "taken": False,
            **{key: left[0][key] for key in keys},
            "stood_for": stood_for,
        }
    rows = _rows(mix, "rows.parquet", "select category from t where id = ? limit 1", name)
    if not rows:
        return None
    return {
        **places,
        "taken": True,
        "category": rows[0]["category"],
        "reason": None,
        "stood_for": stood_for,
    }


def _overlaps(store: Store, name: str) -> list[dict[str, Any]]:
    report = store.find("decontamination_report")
    hits: Iterable[dict[str, Any]] = report.json("report.json")["hits"] if report else ()
    return [hit for hit in hits if hit["id"] == name]


def _rows(artifact: Artifact, table: str, sql: str, name: str) -> list[dict[str, Any]]:
    path = artifact.folder / table
    return query(sql, {"t": path}, [name]) if path.is_file() else []


def _manifests(home: Home, recipe: str) -> Iterator[dict[str, Any]]:
    for path in sorted((home.runs / recipe).glob("*/*/manifest.json")):
        if path.parent.name[0] != ".":
            yield read_manifest(path.parent).to_json()


def _ancestors(manifest: dict[str, Any], home: Home, recipe: str) -> set[str]:
    """Content hashes of all that an artifact was made of, by manifests' parents."""
    ancestors: set[str] = set()
    waiting = list(manifest["parents"])
    while waiting:
        parent = waiting.pop()
        if parent["content_hash"] not in ancestors:
            ancestors.add(parent["content_hash"])
            folder = home.runs / parent["recipe"] / parent["asset"] / parent["run_id"]
            if (folder / "manifest.json").is_file():
                waiting += read_manifest(folder).to_json()["parents"]
    return ancestors


def trace_item(home: Home, recipe: str, suite: str, name: str, most: int = 5) -> dict[str, Any]:
    """The training rows nearest to item ``name`` of ``suite``, and how each report's model did on
    it.

    Raises:
        BadInput: the recipe has no task bank or mix yet, no such suite, or no such item (with the
            nearest names).
    """
    store = Store.reading(home, recipe)
    mix = store.get("rebalanced_mix")
    task = _task(store.get("task_bank"), suite, name)
    rows = (Row.from_row(row) for row in read_parquet(mix.path("rows.parquet")))
    nearest: list[dict[str, Any]] = []
    for near in nearest_rows(task, rows, most):
        came = _candidate(store, near.id) or _repair(store, near.id) or {}
        place = {key: came.get(key) for key in ("source", "file", "line")}
        text = {"asked": near.row.messages[-1].content, "answered": near.row.completion}
        rates = {key: round(getattr(near, key), 4) for key in ("similarity", "prompt", "answer")}
        nearest.append({"id": near.id, **rates, **place, "category": near.row.category, **text})
    return {
        "item": f"{suite}/{name}",
        "recipe": recipe,
        "mix": {"run_id": mix.manifest.run_id, "content_hash": mix.hash},
        "outcomes": list(_outcomes(home, recipe, suite, name)),
        "nearest": nearest,
    }


def _task(bank: Artifact, suite: str, name: str) -> Task:
    paths = {path.stem: path for path in (bank.folder / "suites").glob("*.parquet")}
    if suite not in paths:
        raise BadInput(
            f"the recipe has no suite {suite!r}.", field="item", fix=did_you_mean(suite, paths)
        )
    rows = query("select * from t where id = ?", {"t": paths[suite]}, [name])
    if not rows:
        ids = [row["id"] for row in query("select id from t limit 2000", {"t": paths[suite]})]
        near = did_you_mean(name, ids).partition(" Known:")[0]
        fix = (
            near
            if near.startswith("Did you mean")
            else f"It has {len(ids)}, such as {', '.join(ids[:3])}."
        )
        raise BadInput(f"suite {suite!r} has no item {name!r}.", field="item", fix=fix)
    return Task.from_row(rows[0])


def _outcomes(home: Home, recipe: str, suite: str, name: str) -> Iterator[dict[str, Any]]:
    """How the newest answers of each report were scored."""
    for asset in sorted(path for path in (home.runs / recipe).glob("*_report") if path.is_dir()):
        report = Store.reading(home, recipe).find(asset.name)
        samples: Path | None = report.folder / suite / "samples.parquet" if report else None
        if samples is not None and samples.is_file():
            sql = "select outcome, reason from t where task_id = ?"
            yield from ({"report": asset.name, **row} for row in query(sql, {"t": samples}, [name]))
