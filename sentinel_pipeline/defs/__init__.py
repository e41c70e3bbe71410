"""The Dagster layer: assets, checks, jobs, schedules, sensors. The only room that imports
dagster."""

import warnings

import dagster as dg

# A check's own partition is what makes its history readable per recipe; a snapshot test notices if
# the preview changes.
warnings.filterwarnings(
    "ignore", category=dg.PreviewWarning, message="Specifying a partitions_def on an AssetCheckSpec"
)
