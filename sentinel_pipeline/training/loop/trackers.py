"""Trackers: what a recipe's ``report_to`` asks for, beside the run's own files, under TRL's metric
names.

TensorBoard's files go into the job's logs; trackio writes its local database and W&B its local
folder unless the user's own environment says otherwise: nothing leaves the machine by default. The
callbacks are Transformers' own. What this module does not do: decide anything by what it reports;
gates read the artifact's own curves.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from ...errors import BadInput
from ...records.stages import GRPO
from ...worker.jobs import TuneJob

PACKAGES = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}
"""Tracker -> the package that it needs."""


def require_trackers(names: tuple[str, ...]) -> None:
    """
    Raises:
        BadInput: a tracker's package is not installed.
    """
    for name in names:
        if find_spec(PACKAGES[name]) is None:
            fix = f"pip install {PACKAGES[name]}, or leave {name} out."
            raise BadInput(f"{name} is not installed.", field="report_to", fix=fix)


def tracker_settings(job: TuneJob[Any]) -> dict[str, Any]:
    """The fields of Transformers' training arguments that name the trackers; sets the variables
    that keep them on this machine, where the user has set none.

    Raises:
        BadInput: a tracker's package is not installed.
    """
    if not job.report_to:
        return {"report_to": []}
    require_trackers(job.report_to)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(job.logs / "tensorboard")
    os.environ.setdefault("WANDB_MODE", "offline")
    os.environ.setdefault("WANDB_DIR", str(job.logs))
    os.environ.setdefault("WANDB_PROJECT", job.tracked_as)
    return {
        "report_to": list(job.report_to),
        "project": job.tracked_as,
        "run_name": f"{job.kind}-{job.out.name.removeprefix('.draft-')[:8]}",
        # Without a Space trackio writes to its local database alone.
        "trackio_space_id": os.environ.get("TRACKIO_SPACE_ID"),
    }


def trl_names(kind: str, numbers: dict[str, float]) -> dict[str, float]:
    """A step's numbers under the names that TRL gives them: a part of GRPO's reward is
    ``rewards/NAME/mean``, and what is measured on held-out items begins with ``eval_``."""
    named = {}
    for name, value in numbers.items():
        if name == "step" or value is None or name.endswith(("/low", "/high", "/n")):
            continue
        if kind == GRPO.name and name.startswith("rewards/"):
            name = f"{name}/mean"
        elif name.startswith("eval/"):
            name = f"eval_{name.removeprefix('eval/')}"
        named[name] = value
    return named
