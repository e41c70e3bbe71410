"""The whole graph, assembled: nothing else happens here."""

import dagster as dg

from .defs import baseline, candidates, critic, evaluation, gap, leaderboard, mix, release, review, training
from .defs.alerts import alerts
from .defs.checks import CHECKS
from .defs.decisions import DECISIONS
from .defs.jobs import JOBS, recipe_files
from .defs.nightly import nightly_at_two, nightly_digest

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [baseline, gap, candidates, critic, mix, training, evaluation, leaderboard, review, release]
    ),
    asset_checks=[*CHECKS, *DECISIONS],
    jobs=JOBS,
    schedules=[nightly_at_two],
    sensors=[recipe_files, alerts, nightly_digest, review.human_corrections_ready],
)
