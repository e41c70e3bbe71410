"""The product's own graph, each run in one process: the start-up of forty steps would be most of a
test's night."""

import dagster as dg

from sentinel_pipeline import definitions

defs = dg.Definitions.merge(definitions.defs, dg.Definitions(executor=dg.in_process_executor))
