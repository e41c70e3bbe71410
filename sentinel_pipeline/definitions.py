"""The whole graph, assembled: nothing else happens here."""

import dagster as dg

from .defs import (
    baseline,
    candidates,
    critic,
    evaluation,
    gap,
    grpo,
    judge,
    kto,
    leaderboard,
    mix,
    release,
    review,
    training,
)
from .defs.alerts import alerts
from .defs.checks import CHECKS
from .defs.decisions import DECISIONS
from .defs.digest import nightly_digest
from .defs.executor import STEPS
from .defs.grpo import GRPO_CHECKS
from .defs.jobs import JOBS, recipe_files
from .defs.nightly import nightly_at_two

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [
            baseline,
            gap,
            candidates,
            critic,
            judge,
            mix,
            training,
            kto,
            grpo,
            evaluation,
            leaderboard,
            review,
            release,
        ]
    ),
    asset_checks=[*CHECKS, judge.judge_is_licensed, *kto.KTO_CHECKS, *GRPO_CHECKS, *DECISIONS],
    jobs=JOBS,
    schedules=[nightly_at_two],
    sensors=[recipe_files, alerts, nightly_digest, review.human_corrections_ready],
    executor=STEPS,
)
