"""The whole graph, assembled: nothing else happens here."""

import dagster as dg

from .defs import baseline, candidates, critic, evaluation, mix, training
from .defs.alerts import alerts
from .defs.checks import CHECKS
from .defs.decisions import DECISIONS
from .defs.jobs import JOBS, recipe_files
from .defs.nightly import nightly_at_two, nightly_digest

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([baseline, candidates, critic, mix, training, evaluation]),
    asset_checks=[*CHECKS, *DECISIONS],
    jobs=JOBS,
    schedules=[nightly_at_two],
    sensors=[recipe_files, alerts, nightly_digest],
)
