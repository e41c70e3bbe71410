"""The product's own graph, each run in one process: the start-up of forty steps would be most of a
test's night."""

import dagster as dg
from dagster_shared.record import copy

from sentinel_pipeline import definitions

defs = copy(definitions.defs, executor=dg.in_process_executor)
