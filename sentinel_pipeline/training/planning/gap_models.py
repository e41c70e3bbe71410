"""The models that a gap proof holds the base model against: resolved, or trained here once and
cached by what they are made of.

A peer's folder is named by a hash of its spec, the task data and the code that trains it; a
finished one is never trained again. What this module does not do: run a job (the caller does, in a
child process) or answer anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from ...records.gap_spec import PeerModel
from ...records.stages import SFT
from ...store import sha256_file, write_json, write_jsonl
from ...store.manifest import code_version
from ...worker.jobs import PretrainJob, SftJob, write_job
from ...worker.models import resolve_model

Work = Callable[[Path], None]
"""Runs one job file in a child process."""


class Peer(NamedTuple):
    """A model that is ready to answer."""

    folder: Path
    identity: str
    """Hash of its weights' files."""
    seconds: float
    """What its training took, when it took place; 0 for a resolved one."""
    cached: bool


def peer(spec: PeerModel, cache: Path, work: Work, device_lock: Path | None = None) -> Peer:
    """The peer, trained by ``work`` where it is embedded and not there yet.

    Raises:
        BadInput, Infrastructure: see ``resolve_model`` and the jobs.
    """
    if spec.model.source != "embedded":
        base_model = resolve_model(spec.model, cache)
        return Peer(Path(base_model["folder"]), _hash(base_model["files"]), 0.0, True)
    folder = cache / _hash({"spec": asdict(spec), "code": code_version("training", "bench")})[:16]
    done = folder / "peer.json"
    if not done.is_file():
        seconds = _train(spec, folder, work, device_lock)
        write_json(done, {"seconds": seconds, "spec": asdict(spec)})
        return Peer(_model(spec, folder), _identity(_model(spec, folder)), seconds, False)
    seconds = float(json.loads(done.read_text(encoding="utf-8"))["seconds"])
    return Peer(_model(spec, folder), _identity(_model(spec, folder)), seconds, True)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _identity(folder: Path) -> str:
    return _hash(
        {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if path.is_file()}
    )


def _model(spec: PeerModel, folder: Path) -> Path:
    return folder / ("tuned" if spec.train else "base") / "model"


def _train(spec: PeerModel, folder: Path, work: Work, device_lock: Path | None) -> float:
    """Pretrain, and fine-tune where there are tasks; both go on from their own checkpoints after a
    kill."""
    base = folder / "base"
    seconds = 0.0
    pretrain = PretrainJob(
        out=base,
        logs=base / "logs",
        device_lock=device_lock,
        seed=spec.seed,
        spec=spec.model.embedded,
    )
    seconds += _run(pretrain, work)
    if not spec.train:
        return seconds
    rows = folder / "rows.jsonl"
    if not rows.is_file():
        write_jsonl(rows, _rows(spec))
    tuned = folder / "tuned"
    sft = SftJob(
        kind=SFT.name,
        out=tuned,
        logs=tuned / "logs",
        model=base / "model",
        rows=rows,
        device_lock=device_lock,
        seed=spec.seed,
        spec=replace(spec.sft, windows=replace(spec.sft.windows, early_stop_step=0)),
    )
    return seconds + _run(sft, work)


def _run(job: PretrainJob | SftJob, work: Work) -> float:
    result = job.logs / "result.json"
    if not result.is_file():
        work(write_job(job))
    return float(json.loads(result.read_text(encoding="utf-8"))["seconds"])


def _rows(spec: PeerModel) -> list[dict[str, Any]]:
    """References to generated training tasks of the peer's own seed, shuffled; no held-out
    composition is among them."""
    from random import Random

    from ...tasks.task_bank import build

    rows = [
        {
            "prompt": [turn.to_dict() for turn in task.messages],
            "completion": [{"role": "assistant", "content": task.reference}],
        }
        for task in build(spec.seed, spec.train, {}).train
    ]
    Random(f"peer|{spec.seed}").shuffle(rows)
    return rows


def has_chat_template(folder: Path) -> bool:
    """Whether a model can be asked in ``chat`` at all."""
    settings = folder / "tokenizer_config.json"
    named = settings.is_file() and bool(
        json.loads(settings.read_text(encoding="utf-8")).get("chat_template")
    )
    return named or (folder / "chat_template.jinja").is_file()
