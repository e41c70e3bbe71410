"""Which recipes a card belongs to: its correction enters the mixes of these, and of no other.

A card belongs to the recipe whose model failed, and to those that a person names. A card that
belongs to none enters no mix; an export without a recipe still holds it. What this module does not
do: retire a benchmark item by recipe. What left for one recipe judges nowhere any more, since
suites are shared (``firewall``).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from ..errors import BadInput, did_you_mean
from .importing import BATCH, join, plain
from .review_queue import ReviewQueue, Unknown, note
from .schema import card_recipes, cards, removed_recipes


def belongs_to(recipe: str) -> ColumnElement[bool]:
    """The card is one of this recipe's."""
    return (
        select(card_recipes.c.card_id)
        .where(card_recipes.c.card_id == cards.c.id, card_recipes.c.recipe == recipe)
        .correlate(cards)
        .exists()
    )


UNASSIGNED: ColumnElement[bool] = ~(
    select(card_recipes.c.card_id)
    .where(card_recipes.c.card_id == cards.c.id)
    .correlate(cards)
    .exists()
)
"""The card belongs to no recipe."""


def recipes_of(connection: Connection, card_id: str) -> tuple[str, ...]:
    """The recipes that a card belongs to, by name."""
    query = select(card_recipes.c.recipe).where(card_recipes.c.card_id == card_id)
    return tuple(sorted(connection.execute(query).scalars()))


def take(connection: Connection, card_ids: Sequence[str], recipe: str | None, now: float) -> None:
    """Note that a mix of ``recipe`` took the corrections of these cards; None: an export that is
    nobody's took them for all."""
    mine = () if recipe is None else (card_recipes.c.recipe == recipe,)
    for start in range(0, len(card_ids), BATCH):
        batch = card_recipes.c.card_id.in_(card_ids[start : start + BATCH])
        first = update(card_recipes).where(batch, card_recipes.c.taken_at.is_(None), *mine)
        connection.execute(first.values(taken_at=now))


def assign(
    desk: ReviewQueue,
    recipes: Sequence[str],
    *,
    actor: str,
    card_ids: Sequence[str] = (),
    run: str = "",
    model: str = "",
    unassigned: bool = False,
    remove: bool = False,
    dry_run: bool = False,
) -> int:
    """Let the cards that fit everything that is given belong to ``recipes`` too, or no longer
    (``remove``), which no later import undoes; returns how many it changes. The trail says who did
    it.

    Raises:
        BadInput: nothing says which cards, or none fits.
        Unknown: there is no card of one of the ids.
    """
    conditions: list[ColumnElement[bool]] = []
    if card_ids:
        conditions.append(cards.c.id.in_([plain(name) for name in card_ids]))
    if run:
        conditions.append(cards.c.run_id == plain(run))
    if model:
        conditions.append(cards.c.model_id == plain(model))
    if unassigned:
        conditions.append(UNASSIGNED)
    if not conditions:
        fix = "Name cards, --run, --model or --unassigned."
        raise BadInput("nothing says which cards.", fix=fix)
    chosen = select(cards.c.id).where(*conditions)
    with desk.db.writing() as connection:
        for name in card_ids:
            row = connection.execute(select(cards.c.id).where(cards.c.id == plain(name))).first()
            if row is None:
                raise Unknown(f"there is no card {plain(name)!r:.80}.", field="card")
        ids = list(connection.execute(chosen).scalars())
        for value, column, field in (
            (run, cards.c.run_id, "--run"),
            (model, cards.c.model_id, "--model"),
        ):
            if value and not ids:
                names = connection.execute(select(column).distinct().limit(200)).scalars()
                raise BadInput("no card fits.", field=field, fix=did_you_mean(value, names))
        if remove:
            theirs = (card_recipes.c.card_id.in_(chosen), card_recipes.c.recipe.in_(recipes))
            query = select(card_recipes.c.card_id, card_recipes.c.recipe).where(*theirs)
            pairs = list(connection.execute(query).tuples())
            changed = len({card_id for card_id, _ in pairs})
            if pairs and not dry_run:
                values = [{"card_id": card_id, "recipe": recipe} for card_id, recipe in pairs]
                connection.execute(insert(removed_recipes), values)
                connection.execute(delete(card_recipes).where(*theirs))
        else:
            changed = len(join(connection, dict.fromkeys(ids, recipes), dry_run=dry_run))
            if not dry_run:
                again = (
                    removed_recipes.c.card_id.in_(chosen),
                    removed_recipes.c.recipe.in_(recipes),
                )
                connection.execute(delete(removed_recipes).where(*again))
        if not dry_run:
            detail = {"recipes": list(recipes), "cards": changed, "remove": remove}
            selectors = {"run": run, "model": model, "unassigned": unassigned}
            detail |= {name: value for name, value in selectors.items() if value}
            single = ids[0] if len(ids) == 1 else None
            note(desk, connection, actor, "assign", single, detail)
    return changed
