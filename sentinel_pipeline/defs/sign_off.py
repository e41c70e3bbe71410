"""A person's signature as Dagster sees it: ``python -m sentinel_pipeline.defs.sign_off RECIPE HASH
pass|fail REASON``.

The ledger holds the signature already; this reports it as an evaluation of the check, outside of
any run. It decides nothing.
"""

import sys

import dagster as dg

from .gap import PROOF, SIGN_OFF
from .stage import RECIPES


def report(
    instance: dg.DagsterInstance, recipe: str, subject_hash: str, verdict: str, reason: str
) -> None:
    instance.add_dynamic_partitions(str(RECIPES.name), [recipe])
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(PROOF),
            check_name=SIGN_OFF,
            passed=verdict == "pass",
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{verdict}: {reason}",
            metadata={
                "subject_hash": dg.MetadataValue.text(subject_hash),
                "verdict": dg.MetadataValue.text(verdict),
            },
            partition=recipe,
        )
    )


if __name__ == "__main__":
    report(dg.DagsterInstance.get(), *sys.argv[1:5])
