"""``sentinel judge``: may a model's scores decide a gate?"""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import EXIT_GATE, BadInput
from ..records.judge_spec import JudgeModel, JudgeSpec
from ..store import Ledger, find_home, write_jsonl
from .console import AsJson, ReasoningEffort, TokenLimit, emit, err, say, styled
from .review_admin import open_review_queue

if TYPE_CHECKING:
    from ..llm_judge.licence import Identity, Labelled, Licence
    from ..review.blind import PeopleLabels

judge = typer.Typer(help="Language models as judges, and their licences.", no_args_is_help=True)


@judge.callback()
def _verbs() -> None:
    """Language models as judges, and their licences."""


@judge.command()
def licence(
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="JSONL: prompt or messages, response, label (pass or fail, by a human)."
        ),
    ] = None,
    blind: Annotated[
        str | None,
        typer.Option(
            metavar="BATCH",
            help="Instead of LABELS: what people said of this blind batch on the review page.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where --blind writes the labels; data/judges/BATCH.jsonl by default."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The judge: a served model's name, or a local folder without --base-url."
        ),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, with its version path.")
    ] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the server's key.")
    ] = "OPENAI_API_KEY",
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Max tokens of a verdict; a judge that thinks needs 2048.")
    ] = 16,
    token_limit: TokenLimit = "max_tokens",
    reasoning_effort: ReasoningEffort = None,
    send_sampling: Annotated[
        bool,
        typer.Option(
            "--send-sampling/--no-send-sampling",
            help="Send temperature and seed; some reasoning models refuse them.",
        ),
    ] = True,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request is lost.")] = 120,
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
        str | None,
        typer.Option(
            help="Take the bars from this recipe's [judge] section, and both judges, where --model names none."
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 8,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Count labels and requests; ask and record nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine a judge on human LABELS and record its licence in the ledger; exit code 3 when it
    gets none.

    The licence holds for this model, prompt, rubric and label set, lapses when one of them changes
    and ends after max_age_days (90). An exam after a failed one on the same labels is a further
    attempt and must show more. A judge
    that is down is an outage (exit code 4): nothing is recorded.

    With --blind the labels are those of the review page, of each item what most people said. Too
    few of them are exit code 2, with how many more are needed; nothing is asked then.

    Examples:

        sentinel judge licence labels.jsonl --model judge-7b --base-url http://127.0.0.1:8000/v1 --second-model other-7b --json

        sentinel judge licence --blind judge-v2 --recipe stage1b-conversation --dry-run
    """
    from ..llm_judge.ask import RUBRIC, examine, identity, open_judges, requests_of
    from ..llm_judge.licence import (
        attempt,
        decide_licence,
        labels_hash,
        labels_missing,
        licence_verdict,
        read_labels,
        why_hopeless,
    )

    home = find_home()
    spec = home.recipe(recipe).judge if recipe else JudgeSpec()
    if (labels is None) == (blind is None):
        raise BadInput(
            "expected LABELS or --blind BATCH, one of the two.",
            fix="See sentinel judge licence --help.",
        )
    if out is not None and blind is None:
        raise BadInput("needs --blind.", field="--out", fix="Leave it out.")
    if model is not None:
        first = JudgeModel(
            name=model,
            base_url=base_url,
            key_env=key_env,
            concurrency=concurrency,
            timeout_s=timeout,
            max_tokens=max_tokens,
            token_limit=token_limit,
            reasoning_effort=reasoning_effort,
            send_sampling=send_sampling,
        )
        second = None
        if second_model:
            second = replace(
                first,
                name=second_model,
                base_url=second_base_url or base_url,
                key_env=second_key_env or key_env,
            )
    elif spec.model is not None:
        first = spec.model
        second = spec.exam.second if spec.exam is not None else None
    else:
        fix = "Add --model NAME, or --recipe with a [judge.model]."
        raise BadInput("names no judge.", field="--model", fix=fix)
    text = _rubric(rubric) or (spec.exam.rubric if model is None and spec.exam else "") or RUBRIC
    ledger = Ledger(home.ledger)
    people: PeopleLabels | None = None
    if blind is not None:
        if second is None:
            problem = "a licence needs a second judge, which scores some of the labels."
            raise BadInput(problem, field="--second-model", fix="Name another model.")
        out = out or home.root / "data" / "judges" / f"{Path(blind).name}.jsonl"
        people, items = _people(blind, out, spec, dry_run)
        say(
            f"{len(items)} labels by {len(people.people)} people; of {people.items} items "
            f"{people.unlabelled} are not labelled, {people.ties} are ties"
        )
    else:
        assert labels is not None, "asked above"
        items = read_labels(labels)
    words = [item.label for item in items]
    label_set = labels_hash(items)
    tried = attempt(ledger, first.name, label_set)
    missing = labels_missing(spec, words, tried)
    if missing != 0 and (blind is not None or dry_run):
        more = f"at least {missing} more" if missing else "other labels"
        raise BadInput(
            f"{len(words)} labels ({words.count('pass')} pass, {words.count('fail')} fail) are too few: "
            f"a judge that agrees with all of them gets no licence; {more} are needed.",
            field="--blind" if blind is not None else "LABELS",
            file=labels,
            fix="Label further answers, of the rarer kind above all.",
        )
    if (blind is not None or dry_run) and (reason := why_hopeless(spec, items, tried)):
        raise BadInput(
            f"on these labels even a judge that agrees with all of them gets no licence: {reason}.",
            field="--blind" if blind is not None else "LABELS",
            file=labels,
        )
    if dry_run:
        requests = requests_of(items, spec, second is not None)
        say(f"An exam would send at most {requests} requests; attempt {tried} on these labels")
        if as_json:
            emit(
                {
                    "judge": first.name,
                    "labels": len(words),
                    "pass": words.count("pass"),
                    "fail": words.count("fail"),
                    "missing": 0,
                    "requests": requests,
                    "attempt": tried,
                    "blind": people._asdict() | {"rows": len(people.rows)} if people else None,
                    "dry_run": True,
                }
            )
        return
    with open_judges(home, *([first] if second is None else [first, second])) as judges:
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
    who = identity(first.name, judge_model.model_hash, text)
    result = decide_licence(spec, words, answers, items, tried)
    ledger.record(
        licence_verdict(who, spec, result, label_set),
        recipe=recipe or "-",
        run_id=str(uuid.uuid4()),
    )
    _print(who, result)
    if blind is not None:
        say(f"Labels: {out}")
    if as_json:
        emit(_result(who, result) | {"labels": str(out if blind is not None else labels)})
    if result.verdict != "pass":
        raise typer.Exit(EXIT_GATE)


def _people(
    batch: str, out: Path, spec: JudgeSpec, dry_run: bool
) -> tuple[PeopleLabels, list[Labelled]]:
    """A blind batch's labels, and the same as an exam reads them back from ``out``; a dry run
    leaves no file.

    Raises:
        BadInput: no such batch, nobody has labelled it, or all labels are of one kind.
    """
    from ..llm_judge.licence import labels_missing, read_labels
    from ..review.blind import people_labels

    with open_review_queue() as desk:
        people = people_labels(desk, batch)
    words = [row["label"] for row in people.rows]
    if len(set(words)) == 1:
        missing = labels_missing(spec, words)
        raise BadInput(
            f"all {len(words)} labels are {words[0]}: a judge is told from a constant answer only "
            f"where both are; at least {missing} more are needed.",
            field="--blind",
            fix="Label answers of the other kind.",
        )
    if not people.rows:
        fix = "Label some on the review page: sentinel review serve."
        raise BadInput(f"nobody's label decides an item of {batch!r}.", field="--blind", fix=fix)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "labels.jsonl" if dry_run else out
        path.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(path, people.rows)
        return people, read_labels(path)


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
        "attempt": result.attempt,
        "checks": [check._asdict() for check in result.checks],
    }


def _print(who: Identity, result: Licence) -> None:
    table = Table("check", "", "what was measured", title=f"{who.name} ({who.judge_hash[:12]})")
    for check in result.checks:
        table.add_row(
            check.name,
            styled(("pass", "green") if check.passed else ("fail", "red")),
            check.reason,
        )
    err.print(table)
    err.print(
        styled(("licensed", "bold green"))
        if result.verdict == "pass"
        else styled(("not licensed", "bold red"), ": it may not decide a gate")
    )
