"""``sentinel judge``: may a model's scores decide a gate?"""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import EXIT_GATE, BadInput
from ..records.judge_spec import JudgeModel, JudgeSpec
from ..store import Ledger, find_home
from .console import AsJson, emit, err

if TYPE_CHECKING:
    from ..llm_judge.licence import Identity, Licence

judge = typer.Typer(help="Language models as judges, and their licences.", no_args_is_help=True)


@judge.callback()
def _verbs() -> None:
    """Language models as judges, and their licences."""


@judge.command()
def licence(
    labels: Annotated[
        Path,
        typer.Argument(
            help="JSONL: prompt or messages, response, label (pass or fail, by a human)."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="The judge: a served model's name, or a local folder without --base-url."
        ),
    ],
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, with its version path.")
    ] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the server's key.")
    ] = "OPENAI_API_KEY",
    rubric: Annotated[
        Path | None, typer.Option(help="The rubric, a text file; a general one by default.")
    ] = None,
    second_model: Annotated[
        str | None, typer.Option(help="The second judge; it scores a tenth of the labels.")
    ] = None,
    second_base_url: Annotated[
        str | None, typer.Option(help="Its server; the first one's by default.")
    ] = None,
    second_key_env: Annotated[
        str | None, typer.Option(help="Its key; the first one's by default.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Take the bars from this recipe's [judge] section.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Examine a judge on human LABELS and record its licence in the ledger; exit code 3 when it
    gets none.

    The licence holds for this model, prompt and rubric and lapses when one of them changes. A judge
    that is down is an outage (exit code 4): nothing is recorded.

    Example:

        sentinel judge licence labels.jsonl --model judge-7b --base-url http://127.0.0.1:8000/v1 --second-model other-7b --json
    """
    from ..llm_judge.ask import RUBRIC, examine, identity, open_judges
    from ..llm_judge.licence import decide_licence, licence_verdict, read_labels

    home = find_home()
    spec = home.recipe(recipe).judge if recipe else JudgeSpec()
    items = read_labels(labels)
    text = _rubric(rubric) or RUBRIC
    first = JudgeModel(name=model, base_url=base_url, key_env=key_env, concurrency=concurrency)
    models = [first]
    if second_model:
        other_key = second_key_env or key_env
        models.append(
            replace(
                first, name=second_model, base_url=second_base_url or base_url, key_env=other_key
            )
        )
    with open_judges(home, *models) as judges:
        judge_model, *others = judges
        if others and others[0].model_hash == judge_model.model_hash:
            raise BadInput(
                "is the first judge again.", field="--second-model", fix="Name another model."
            )
        answers = examine(
            judge_model.ask,
            others[0].ask if others else None,
            text,
            items,
            spec,
            at_once=judge_model.at_once,
        )
    who = identity(model, judge_model.model_hash, text)
    result = decide_licence(spec, [item.label for item in items], answers)
    Ledger(home.ledger).record(
        licence_verdict(who, spec, result), recipe=recipe or "-", run_id=str(uuid.uuid4())
    )
    _print(who, result)
    if as_json:
        emit(_result(who, result))
    if result.verdict != "pass":
        raise typer.Exit(EXIT_GATE)


def _rubric(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}.", file=path, field="--rubric") from error
    if not text:
        raise BadInput("is empty.", file=path, field="--rubric", fix="Say what a good answer is.")
    return text


def _result(who: Identity, result: Licence) -> dict[str, Any]:
    return {
        "judge": who.name,
        "judge_hash": who.judge_hash,
        "prompt_version": who.prompt_version,
        "licensed": result.verdict == "pass",
        "kappa": result.kappa,
        "interval": list(result.interval[:2]) if result.interval else None,
        "n": result.n,
        "checks": [check._asdict() for check in result.checks],
    }


def _print(who: Identity, result: Licence) -> None:
    table = Table("check", "", "what was measured", title=f"{who.name} ({who.judge_hash[:12]})")
    for check in result.checks:
        table.add_row(
            check.name, "[green]pass[/]" if check.passed else "[red]fail[/]", check.reason
        )
    err.print(table)
    err.print(
        "[bold green]licensed[/]"
        if result.verdict == "pass"
        else "[bold red]not licensed[/]: it may not decide a gate"
    )
