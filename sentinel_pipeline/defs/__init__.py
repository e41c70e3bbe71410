"""The Dagster layer: assets, checks, jobs, schedules, sensors. The only room that imports
dagster."""

import gc
import warnings

import dagster as dg

# What Dagster's modules brought stays for good. To look through it for garbage again and again,
# while our own modules are imported, would be a sixth of what loading the definitions takes.
gc.freeze()

# A check's own partition is what makes its history readable per recipe; a snapshot test notices if
# the preview changes.
warnings.filterwarnings(
    "ignore", category=dg.PreviewWarning, message="Specifying a partitions_def on an AssetCheckSpec"
)
