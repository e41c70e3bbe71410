"""All raw candidates of a run: references, their corrupted variants, files, hub data sets; one
stream, nothing scored.

Rows that cannot be read travel in the same stream as ``Quarantined``. The model's own answers and
human corrections are other rooms' sources and join later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..records import Candidate, Quarantined, Task
from ..records.data_spec import CandidatesSpec
from .corrupt import corrupted
from .file_blocks import ReadPart, read_on_ray
from .files import read_files
from .hub import read_hub
from .shapes import candidate_id


def raw_candidates(
    tasks: Iterable[Task], spec: CandidatesSpec, seed: int, *, root: Path | None = None
) -> Iterator[Candidate | Quarantined | ReadPart]:
    """Each task's reference followed by its corrupted variants, then the recipe's files, then its
    hub data sets. Where a Ray cluster reads the files, their rows come in parts.

    Args:
        tasks: the training side of a task bank; a task without a reference gives nothing.
        spec: the recipe's ``candidates`` section.
        seed: of the corruption.
        root: what the recipe's relative paths are relative to.

    Raises:
        BadInput: a path or data set of the recipe does not exist.
        Infrastructure: a source cannot be reached.
    """
    for task in tasks:
        if task.reference.strip():
            yield reference(task)
            yield from corrupted((task,), spec.corrupted_share, seed)
    if spec.engine == "ray":
        yield from read_on_ray(spec.files, root=root, maps=spec.map)
    else:
        yield from read_files(spec.files, root=root, maps=spec.map)
    for source in spec.hub:
        yield from read_hub(source.name, source.split, limit=source.limit, root=root, maps=spec.map)


def reference(task: Task) -> Candidate:
    """A task's gold completion as a candidate: it has to pass the critic like any other."""
    return Candidate(
        id=candidate_id("reference", task.id, 0, task.messages, task.reference),
        source="reference",
        messages=task.messages,
        completion=task.reference,
        category=task.category,
        task_id=task.id,
        verifier=task.verifier,
    )
