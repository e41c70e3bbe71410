"""What the process that a run's steps are forked off has loaded before the first of them
(``defs.executor``): the definitions with their jobs, and those of Dagster's modules that each step
would import for itself.

Steps are forked, so nothing here may start a thread, open a file that stays open, or load torch: a
fork has one thread, and shares the rest with its parent. What it does not do: run a step.
"""

import gc
from importlib import import_module

from .definitions import defs

# Dagster finds these by the names in an instance's settings, when a step first asks for them.
for _name in (
    "dagster._core.instance.factory",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.utility_ops",
    "dagster._core.workspace.autodiscovery",
    "dagster._daemon.controller",
    "upath",
):
    import_module(_name)
# Resolved once; each step would do it again.
defs.get_repository_def().get_all_jobs()
# A collection in a step would touch, and so copy, every object that it shares with this process.
gc.collect()
gc.freeze()
