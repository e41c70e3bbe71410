"""How the steps of a run that Dagster launches get their processes: each its own, forked off one
process of that run that has loaded the definitions (``fork_server``).

Dagster's default starts a fresh interpreter for each step, and most of a step that does little was
importing. A step stays a process of its own: what it imports, allocates or leaves behind dies with
it, and a device is held by the child that ``Stage.work`` starts, never here. What this module does
not do: run a step, or decide how many run at once.
"""

from typing import Any

import dagster as dg

PRELOADED = "sentinel_pipeline.fork_server"
"""Imported once by the process that steps are forked off, before the first of them."""


def _forked(config: dict[str, Any]) -> dict[str, Any]:
    """What a run's configuration says, ``start_method`` included; else steps are forked."""
    if "multiprocess" not in config:
        return config
    forked = {"start_method": {"forkserver": {"preload_modules": [PRELOADED]}}}
    return {"multiprocess": forked | config["multiprocess"]}


STEPS = dg.multi_or_in_process_executor.configured(
    _forked,
    name="multi_or_in_process_executor",
    config_schema=dg.multi_or_in_process_executor.config_schema.as_field(),
)
"""Takes the same configuration as Dagster's default executor."""
