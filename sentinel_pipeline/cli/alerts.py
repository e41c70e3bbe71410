"""``sentinel alert``: try the channels, and see what was told to whom."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from ..alerts.deliver import send
from ..alerts.rules import load_rules, url_problem
from ..errors import EXIT_INFRASTRUCTURE, BadInput, did_you_mean
from ..records.alert import Alert
from ..store import Outbox, find_home
from .console import AsJson, emit, err

alert = typer.Typer(
    help="Alerts: try the channels of data/alerts.toml, and list the alerts.",
    no_args_is_help=True,
)


@alert.command()
def test(
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message to every channel now. Exit code 4 when a channel fails, 2 when none is
    set.

    Example:

        SENTINEL_ALERTS=json://localhost:8080/hook sentinel alert test
    """
    home = find_home()
    rules = load_rules(home.alert_rules)
    if channel is not None and channel not in rules.channels:
        raise BadInput(
            f"no channel {channel!r}.",
            file=home.alert_rules,
            fix=did_you_mean(channel, rules.channels),
        )
    message = Alert(
        key="test",
        kind="test",
        recipe="",
        title="sentinel: a test",
        body="This channel works.",
        link=rules.link,
    )
    tried: dict[str, str | None] = {}
    for name in [channel] if channel else rules.channels:
        url = rules.url(name)
        if url is None:
            err.print(
                f"{name}: {rules.channels[name]} is not set, nothing is sent there",
                markup=False,
                highlight=False,
            )
            continue
        if problem := url_problem(url):
            named = rules.channels[name]
            field = named if named.startswith("env:") else f"channels.{name}"
            fix = "Write it as %40."
            raise BadInput(f"{problem}.", file=home.alert_rules, field=field, fix=fix)
        tried[name] = send(url, message)
        err.print(f"{name}: {tried[name] or 'delivered'}", markup=False, highlight=False)
    if as_json:
        emit(
            {
                "channels": {
                    name: {"delivered": error is None, "error": error}
                    for name, error in tried.items()
                }
            }
        )
    if not tried:
        raise BadInput(
            "no channel has a URL.", file=home.alert_rules, fix="Set its environment variable."
        )
    raise typer.Exit(EXIT_INFRASTRUCTURE if any(tried.values()) else 0)


@alert.command("list")
def list_alerts(as_json: AsJson = False) -> None:
    """Every alert raised, oldest first, and what came of each delivery.

    Example:

        sentinel alert list --json
    """
    outbox = Outbox(find_home().outbox)
    states: dict[str, list[dict[str, Any]]] = {}
    for delivery in outbox.deliveries():
        state = {
            "channel": delivery.channel,
            "attempts": delivery.attempts,
            "delivered": delivery.delivered_at,
            "error": delivery.error,
        }
        states.setdefault(delivery.alert.key, []).append(state)
    rows = outbox.alerts()
    if as_json:
        listed = [
            {"at": at, **asdict(raised), "deliveries": states.get(raised.key, [])}
            for at, raised in rows
        ]
        emit({"alerts": listed})
        return
    table = Table("raised", "what", "delivered")
    for at, raised in rows:
        when = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(sep=" ", timespec="seconds")
        table.add_row(when, raised.title, _words(states.get(raised.key, [])))
    err.print(table)


def _words(deliveries: list[dict[str, Any]]) -> str:
    if not deliveries:
        return "not delivered: no channel was configured"
    return ", ".join(
        f"{delivery['channel']}: {'yes' if delivery['delivered'] else delivery['error'] or 'on its way'}"
        for delivery in deliveries
    )
