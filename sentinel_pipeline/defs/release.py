"""Group ``release``: what is published, and what chat may offer. Materialized when somebody asks,
never by a run of the loop."""

from ..records.stages import TRAINING_STAGES
from .stage import Stage, recipe_asset


@recipe_asset(
    group="release",
    rooms=["release", "bench", "gates"],
    deps=[
        *(stage.checkpoint for stage in TRAINING_STAGES),
        *(stage.report for stage in TRAINING_STAGES),
        "rebalanced_mix",
    ],
    kinds={"huggingface"},
)
def release_bundle(stage: Stage) -> None:
    """The last tuned checkpoint as a folder that Transformers loads, with card and evidence;
    refused without passing gates."""
    from ..release.bundle import write_bundle
    from ..release.evidence import gather

    evidence = gather(stage.store, stage.recipe, None)
    with stage.making(evidence.checkpoint, evidence.report) as out:
        write_bundle(out, evidence)
    stage.show(
        "card", stage.store.get("release_bundle").path("README.md").read_text(encoding="utf-8")
    )


@recipe_asset(group="release", rooms=["chat"], deps=["release_bundle"], kinds={"python"})
def chat_clearance(stage: Stage) -> None:
    """Whether the released checkpoint passed its format probe, which chat needs. Chat checks the
    rest at every request."""
    from ..chat.probe import probe
    from ..generation.targets import Target

    bundle = stage.parent("release_bundle")
    released = bundle.json("release.json")
    name = f"{stage.recipe.name}/{released['stage']}"
    target = Target(name=name, model_hash=released["checkpoint"])
    probed = probe(stage.home, stage.recipe, released["stage"], target)
    if probed.verdict is not None:
        stage.ledger.record(probed.verdict, recipe=stage.recipe.name, run_id=stage.store.run_id)
    with stage.making(bundle) as out:
        experimental = probed.state != "pass"
        out.json(
            "clearance.json",
            {
                "model": name,
                "probe": probed.state,
                "experimental": experimental,
                "reason": probed.reason,
            },
        )
        out.metrics |= {"probe": probed.state}
    stage.show("probe", f"**{probed.state}**: {probed.reason}")
