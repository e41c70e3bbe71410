"""The pages that are rendered here: their template, and what it shows. The card page is a shell
that its script fills."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from ..errors import GateRefused
from ..records.sft_candidate import STATUSES
from ..review import blind
from ..review.cards import trail
from ..review.review_queue import ReviewQueue, User
from ..review.sign_off import proof, proofs
from ..review.summary import analytics, choices, quarantined, runs, summary
from ..review.users import list_users
from ..store import find_home

Page = tuple[str, dict[str, Any]]
LABELS = {"task_type": "Task", "model_id": "Model", "failure_class": "Failure", "recipe": "Recipe"}


def review(desk: ReviewQueue, user: User, request: Request) -> Page:
    return "review.html", {
        "choices": choices(desk),
        "statuses": STATUSES[1:],
        "lease_seconds": int(desk.lease_seconds),
    }


def summary_page(desk: ReviewQueue, user: User, request: Request) -> Page:
    run = request.query_params.get("run", "")[:200]
    counts = summary(desk, run)
    values = {
        "summary": counts,
        "widest": {
            key: max((sum(row.values()) for row in table.values()), default=0)
            for key, table in counts.by.items()
        },
        "runs": runs(desk)[:100],
        "analytics": analytics(desk)[:50],
        "quarantined": quarantined(desk, 50),
        "statuses": STATUSES,
        "labels": LABELS,
    }
    return "summary.html", values


def people(desk: ReviewQueue, user: User, request: Request) -> Page:
    _leads_only(user)
    return "people.html", {"people": list_users(desk)}


def trail_page(desk: ReviewQueue, user: User, request: Request) -> Page:
    _leads_only(user)
    return "trail.html", {"events": trail(desk, most=200)}


def blind_list(desk: ReviewQueue, user: User, request: Request) -> Page:
    return "blind_list.html", {
        "batches": [blind.calibration(desk, name) for name in blind.batch_names(desk)]
    }


def blind_page(desk: ReviewQueue, user: User, request: Request) -> Page:
    name = request.path_params["batch"]
    return "blind.html", {"batch": name, "labels": blind.labels_of(desk, name)}


def gap_list(desk: ReviewQueue, user: User, request: Request) -> Page:
    home = find_home()
    return "gap.html", {"proofs": [proof(home, name) for name in proofs(home)]}


def _leads_only(user: User) -> None:
    if user.role != "lead":
        raise GateRefused("this page is for leads.")
