"""Full checkpoints: folders ``step-N`` that are whole or not there at all, the newest few kept.

A checkpoint is written beside its name, listed with sizes in ``complete.json``, made durable, then
renamed. A process killed at any moment leaves at most a hidden remainder, which nobody resumes from
and the next save clears. What is inside is the trainer's business.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...errors import Infrastructure
from ...store import write_json
from ...store.files import sync_folder

KEEP = 2
_LIST = "complete.json"
_PREFIX = "step-"


class Checkpoint(NamedTuple):
    step: int
    folder: Path


def save_checkpoint(
    root: Path, step: int, write: Callable[[Path], None], keep: int = KEEP
) -> Checkpoint:
    """Let ``write`` fill a folder and make it ``root/step-N``; older ones beyond ``keep`` are
    removed afterwards.

    Raises:
        Infrastructure: the disk is full or not writable; earlier checkpoints are untouched.
    """
    final = root / f"{_PREFIX}{step}"
    if _is_complete(final):
        return Checkpoint(step, final)

    def write_listed(folder: Path) -> None:
        write(folder)
        sizes = {
            path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)
        }
        write_json(folder / _LIST, {"files": sizes})

    replace_folder(final, write_listed)
    for old in complete_checkpoints(root)[:-keep]:
        shutil.rmtree(old.folder, ignore_errors=True)
    return Checkpoint(step, final)


def is_saved(root: Path, step: int) -> bool:
    """Whether there is a complete checkpoint of ``step``."""
    return _is_complete(root / f"{_PREFIX}{step}")


def staging_of(root: Path, step: int) -> Path:
    """Where a checkpoint of ``step`` is written before it has its name."""
    return _staging(root / f"{_PREFIX}{step}")


def _staging(final: Path) -> Path:
    return final.with_name(f".writing-{final.name}")


def replace_folder(final: Path, write: Callable[[Path], None]) -> None:
    """Fill a hidden neighbour of ``final`` by ``write``, make it durable, and put it in ``final``'s
    place.

    Raises:
        Infrastructure: the disk is full or not writable; nothing half-written bears the name.
    """
    staging = _staging(final)
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        write(staging)
        for path in _files(staging):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        if final.exists():
            # A rename onto a filled folder fails; what stood there was incomplete or is being
            # rebuilt.
            shutil.rmtree(final)
        os.replace(staging, final)
        sync_folder(final.parent)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise Infrastructure(
            f"{final} could not be saved: {error}. Free space, then run again to resume."
        ) from error


def last_checkpoint(root: Path) -> Checkpoint | None:
    """The newest complete checkpoint; damaged and half-written ones are passed over."""
    checkpoints = complete_checkpoints(root)
    return checkpoints[-1] if checkpoints else None


def complete_checkpoints(root: Path) -> list[Checkpoint]:
    """Every complete checkpoint, oldest step first."""
    if not root.is_dir():
        return []
    names = [
        path for path in root.iterdir() if path.name.startswith(_PREFIX) and path.name[5:].isdigit()
    ]
    return sorted(Checkpoint(int(path.name[5:]), path) for path in names if _is_complete(path))


def _is_complete(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / _LIST).read_text(encoding="utf-8"))["files"]
        return bool(sizes) and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
