"""Planning: jobs that need each other are brought into the one order that is possible, given as a
list. The level is how many jobs there are beside the first two.
"""

from __future__ import annotations

import json
from random import Random

from ...records import JsonAnswer
from ..families.family import Draft, Family, ask
from .material import WORDS, compositions, parted

LEVELS = (1, 8)


def draw(level: int, rng: Random) -> list[str]:
    """For each job behind the second, whether a further need of an earlier one is told as well."""
    return [rng.choice(("one", "two")) + str(rng.randint(0, 2)) for _ in range(level)]


def generate(composition: str, rng: Random) -> Draft:
    level, _, parts = parted(composition)
    order = rng.sample(WORDS, level + 2)
    # Each job needs the one before it, so that there is one order; further needs change nothing.
    needs = [(job, order[place - 1]) for place, job in enumerate(order) if place]
    for place, part in enumerate(parts, start=2):
        if part.startswith("two"):
            needs.append((order[place], order[max(0, place - 2 - int(part[3:]))]))
    rng.shuffle(needs)
    listing = "\n".join(f"- {job} can begin when {needed} is finished" for job, needed in needs)
    names = ", ".join(sorted(order))
    prompt = f"Plan these jobs, one after another: {names}.\n{listing}\n\n"
    prompt += "Answer with a JSON list of the jobs in the order in which they are done."
    answer = json.dumps(order)
    return Draft(ask(prompt), answer, JsonAnswer(expected=answer))


FAMILY = Family(
    "plans",
    "general_chat",
    compositions("plans", LEVELS, ("order",), draw),
    generate,
    levels=LEVELS,
)
