"""Function calls from a JSON schema: one function or two on offer, a sentence, a call as JSON.

A composition is what the function is about and which kinds of arguments it takes; names, values,
wordings and optional arguments that nobody mentions are drawn. No function is ever called, and none
is of a published suite.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from ...critic.calls import OMITTED
from ...records import FunctionCalls, Message
from ..calls_request import ASK
from ..families.family import Draft, Family

CITIES = ("Lisbon", "Toronto", "Nairobi", "Osaka", "Porto Alegre", "Oslo", "Austin", "Lima")
PEOPLE = ("Maria", "John Baker", "Ana", "Tom", "Priya", "Lucas Silva", "Emma", "Omar")
TITLES = ("Blue Harbor", "Night Garden", "The Long Road", "Glass River", "Summer Notes")


class Subject(NamedTuple):
    """What a function is about."""

    verb: str
    noun: str
    order: str
    """The sentence's beginning, which the arguments follow."""
    description: str


SUBJECTS = {
    "hotel": Subject("find", "hotel", "find a hotel", "Find a hotel."),
    "table": Subject("reserve", "table", "reserve a table", "Reserve a table in a restaurant."),
    "parcel": Subject("ship", "parcel", "ship a parcel", "Ship a parcel."),
    "recipe": Subject("search", "recipes", "search for recipes", "Search a collection of recipes."),
    "meeting": Subject("plan", "meeting", "plan a meeting", "Put a meeting into the calendar."),
    "trip": Subject("estimate", "trip_cost", "estimate the cost of a trip", "Estimate the cost."),
    "garden": Subject("design", "garden", "design a garden", "Make a plan for a garden."),
    "report": Subject("make", "report", "make a report", "Make a report."),
    "music": Subject("build", "playlist", "build a playlist", "Build a list of songs."),
    "energy": Subject("get", "energy_use", "get the energy use", "Energy used in a period."),
    "repair": Subject("order", "repair", "order a repair", "Order a repair service."),
    "course": Subject("list", "courses", "list the courses", "List courses that fit."),
    "delivery": Subject("track", "delivery", "track the delivery", "Where a delivery is."),
    "budget": Subject("compute", "budget", "compute the budget", "Compute a budget."),
    "museum": Subject("buy", "museum_tickets", "buy museum tickets", "Buy tickets for a museum."),
    "team": Subject("rank", "teams", "rank the teams", "Rank teams by their results."),
    "soil": Subject("analyze", "soil", "analyze the soil", "Analyze a sample of soil."),
    "insurance": Subject("quote", "insurance", "quote an insurance", "Price of an insurance."),
}


class Drawn(NamedTuple):
    """An argument: its schema, and how a sentence says its value."""

    name: str
    schema: dict[str, Any]
    value: Any
    phrase: str


def _place(rng: Random) -> Drawn:
    value = rng.choice(CITIES)
    name = rng.choice(("city", "location", "place"))
    return Drawn(name, {"type": "string", "description": "The city."}, value, f"in {value}")


def _person(rng: Random) -> Drawn:
    value = rng.choice(PEOPLE)
    name = rng.choice(("name", "customer", "person"))
    return Drawn(name, {"type": "string", "description": "For whom."}, value, f"for {value}")


def _count(rng: Random) -> Drawn:
    value = rng.randint(2, 40)
    name = rng.choice(("people", "guests", "group_size"))
    schema = {"type": "integer", "description": "Number of people."}
    return Drawn(name, schema, value, f"for {value} people")


def _year(rng: Random) -> Drawn:
    value = rng.randint(1950, 2024)
    return Drawn("year", {"type": "integer", "description": "The year."}, value, f"of {value}")


def _day(rng: Random) -> Drawn:
    value = f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    schema = {"type": "string", "description": "The day, as YYYY-MM-DD."}
    return Drawn(rng.choice(("date", "day")), schema, value, f"on {value}")


def _amount(rng: Random) -> Drawn:
    value = rng.randint(20, 900) + rng.choice((0.5, 0.25, 0.75))
    name = rng.choice(("max_price", "amount", "limit"))
    schema = {"type": "float", "description": "Dollars at most."}
    return Drawn(name, schema, value, f"for at most ${value}")


def _rate(rng: Random) -> Drawn:
    percent = rng.randint(1, 30)
    name = rng.choice(("rate", "discount_rate"))
    schema = {"type": "float", "description": "The rate as a decimal: 0.05 for 5%."}
    return Drawn(name, schema, percent / 100, f"at a rate of {percent}%")


def _distance(rng: Random) -> Drawn:
    value = rng.randint(1, 60)
    name = rng.choice(("radius", "distance", "max_distance"))
    schema = {"type": "integer", "description": "Distance in kilometers."}
    return Drawn(name, schema, value, f"within {value} kilometers")


def _flag(rng: Random) -> Drawn:
    name, yes, no = rng.choice(
        (
            ("express", "with express service", "without express service"),
            ("insured", "with insurance", "without insurance"),
            ("details", "with all details", "without details"),
        )
    )
    value = rng.random() < 0.6
    schema = {"type": "boolean", "description": f"Whether {name.replace('_', ' ')}."}
    return Drawn(name, schema, value, yes if value else no)


def _choice(rng: Random) -> Drawn:
    name, options = rng.choice(
        (
            ("size", ("small", "medium", "large")),
            ("color", ("red", "green", "blue")),
            ("level", ("beginner", "advanced", "expert")),
        )
    )
    value = rng.choice(options)
    schema = {"type": "string", "description": f"The {name}.", "enum": list(options)}
    return Drawn(name, schema, value, f"with {name} {value}")


def _numbers(rng: Random) -> Drawn:
    values = rng.sample(range(2, 99), rng.randint(3, 4))
    name = rng.choice(("values", "numbers", "scores"))
    listing = ", ".join(map(str, values[:-1])) + f" and {values[-1]}"
    schema = {"type": "array", "items": {"type": "integer"}, "description": "The values."}
    return Drawn(name, schema, values, f"using the values {listing}")


def _title(rng: Random) -> Drawn:
    value = rng.choice(TITLES)
    schema = {"type": "string", "description": "The title."}
    return Drawn(rng.choice(("title", "label")), schema, value, f"titled '{value}'")


KINDS: dict[str, Callable[[Random], Drawn]] = {
    "place": _place, "person": _person, "count": _count, "year": _year, "day": _day, "amount": _amount,
    "rate": _rate, "distance": _distance, "flag": _flag, "choice": _choice, "numbers": _numbers, "title": _title,
}  # fmt: skip
SHAPES = (
    "place", "count", "numbers", "title", "place+count", "place+day", "person+amount", "title+year", "place+distance",
    "person+flag", "amount+rate", "choice+count", "numbers+flag", "place+day+count", "person+choice+flag", "title+place+amount",
)  # fmt: skip
"""Kinds of arguments that a function takes together."""
REQUESTS = ("{order}.", "Please {order}.", "Can you {order}?", "I need you to {order}.")
OPTIONAL = {
    "language": ({"type": "string", "description": "Default is 'en'."}, "en"),
    "max_results": ({"type": "integer", "description": "Default is 10."}, 10),
    "verbose": ({"type": "boolean", "description": "Default is false."}, False),
}
"""Arguments that no sentence mentions: they are left out, or given their default."""


class Offer(NamedTuple):
    """A function as its schema, and the sentence and arguments of one call."""

    function: dict[str, Any]
    sentence: str
    accepted: dict[str, list[Any]]


def draw(composition: str, rng: Random) -> Offer:
    """A function of the composition, and a call of it."""
    subject_name, shape = composition.split("|")
    subject = SUBJECTS[subject_name]
    drawn = [KINDS[kind](rng) for kind in shape.split("+")]
    name = rng.choice(
        (
            f"{subject.verb}_{subject.noun}",
            f"{subject.noun}.{subject.verb}",
            f"{subject.noun}_{subject.verb}",
        )
    )
    properties = {argument.name: argument.schema for argument in drawn}
    accepted = {argument.name: [argument.value] for argument in drawn}
    if rng.random() < 0.4:
        optional = rng.choice(list(OPTIONAL))
        schema, default = OPTIONAL[optional]
        properties[optional] = schema
        accepted[optional] = [OMITTED, default]
    function = {
        "name": name,
        "description": subject.description,
        "parameters": {
            "type": "dict",
            "properties": properties,
            "required": [argument.name for argument in drawn],
        },
    }
    order = " ".join([subject.order, *(argument.phrase for argument in drawn)])
    sentence = rng.choice(REQUESTS).format(order=order)
    return Offer(function, sentence[0].upper() + sentence[1:], accepted)


def generate(composition: str, rng: Random) -> Draft:
    """One function in most tasks, in a fifth of them two, of which the sentence needs one."""
    offer = draw(composition, rng)
    functions = [offer.function]
    if rng.random() < 0.2:
        others = [name for name in SUBJECTS if name != composition.split("|")[0]]
        other = draw(f"{rng.choice(others)}|{composition.split('|')[1]}", rng)
        functions.insert(rng.randint(0, 1), other.function)
    text = json.dumps(functions, ensure_ascii=False)
    verifier = FunctionCalls(
        functions=text,
        expected=json.dumps([{offer.function["name"]: offer.accepted}], ensure_ascii=False),
    )
    messages = (Message("system", ASK.format(functions=text)), Message("user", offer.sentence))
    # What nobody mentions is left out, though its default would be accepted too.
    arguments = {
        name: values[0] for name, values in offer.accepted.items() if OMITTED not in values
    }
    call = {"name": offer.function["name"], "arguments": arguments}
    return Draft(messages, json.dumps(call, ensure_ascii=False), verifier)


def raw(composition: str, rng: Random) -> str:
    """A schema on its own: never a sentence with its call."""
    return json.dumps(draw(composition, rng).function, ensure_ascii=False) + "\n"


FAMILY = Family(
    "calls",
    "tool_use",
    tuple(f"{subject}|{shape}" for subject in SUBJECTS for shape in SHAPES),
    generate,
    raw,
)
