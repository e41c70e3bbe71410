"""The sensor that writes a night's digest when its last run is over: one page, told as the alert
``digest``.

It looks every half minute, so it also notices when nobody looked: the daemon was killed or
restarted, the machine slept, the clock was set. Before it writes, it hashes every artifact of the
night again, a part at a time: a tick must not take long.
"""

import datetime as dt
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
from dagster import RunsFilter

from ..alerts.digest import Digest, NightSeen, Spent, build_digest, digest_markdown
from ..alerts.rules import load_rules
from ..costs import run_cost
from ..records.alert import Alert
from ..records.training_spec import Budget
from ..secrets import mask_error
from ..store import Home, Outbox, Store, atomic_write, find_home, write_json
from ..store.verify import damage_by_part, database_damage, finished
from .dead_runs import end_dead_runs
from .jobs import nightly
from .nightly import AT_TWO, NIGHT_TAG, ZONE
from .runs import RunLog, run_seen
from .stage import LOOP_TAG

AWAY_S = 180.0
"""Longer than this without a tick, and nobody was there; the sensor asks for one every 30 s."""
VERIFY_S = 15.0
"""Hashing in one tick."""
_KEPT_S = 3 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the sensor remembers from tick to tick, in its cursor. Times are seconds since 1970."""

    seen: float = 0.0
    daemon: str = ""
    away: tuple[tuple[float, float], ...] = ()
    """From which tick to which one nobody was there."""
    night: str = ""
    """The night whose artifacts are being hashed, and how far that is."""
    place: int = 0
    damaged: tuple[str, ...] = ()

    @classmethod
    def read(cls, cursor: str | None) -> "Watch":
        data = json.loads(cursor) if cursor else {}
        lists = {
            "away": tuple(map(tuple, data.get("away", ()))),
            "damaged": tuple(data.get("damaged", ())),
        }
        return cls(**data | lists)

    def ticked(self, now: float, daemon: str) -> "Watch":
        """After one more tick, by this daemon."""
        gone = self.seen and (
            now - self.seen > AWAY_S or now < self.seen - 60 or self.daemon not in ("", daemon)
        )
        away = tuple(outage for outage in self.away if now - outage[1] < _KEPT_S)
        return replace(
            self, seen=now, daemon=daemon, away=(*away, (self.seen, now)) if gone else away
        )


@dg.sensor(
    name="nightly_digest",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def nightly_digest(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Once every run of a night is over: one page under ``data/state/digests``, told as the alert
    ``digest``."""
    watch = Watch.read(context.cursor).ticked(time.time(), _daemon(context.instance))
    watch, reason = _look(context.instance, find_home(), watch)
    context.update_cursor(json.dumps(asdict(watch)))
    return dg.SkipReason(reason)


def _daemon(instance: dg.DagsterInstance) -> str:
    """Which daemon process is at work: each has an id of its own."""
    beats = instance.get_daemon_heartbeats().values()
    return max(((beat.timestamp, beat.daemon_id or "") for beat in beats), default=(0.0, ""))[1]


def _look(instance: dg.DagsterInstance, home: Home, watch: Watch) -> tuple[Watch, str]:
    records = instance.get_run_records(RunsFilter(job_name=nightly.name), limit=200)
    nights = sorted({record.dagster_run.tags.get(NIGHT_TAG, "") for record in records} - {""})
    if not nights:
        return watch, "no night yet"
    night = nights[-1]
    mine = [record for record in records if record.dagster_run.tags.get(NIGHT_TAG) == night]
    going = [
        record.dagster_run.tags["dagster/partition"]
        for record in mine
        if not record.dagster_run.is_finished
    ]
    path = home.digests / f"{night}.md"
    if path.exists():
        return watch, f"{path.name} is written"
    for recipe in going:
        end_dead_runs(instance, recipe)
    if going:
        return watch, f"{len(going)} runs of {night} still go on"
    watch, ended = _hash_more(home, watch, night, mine)
    if not ended:
        return watch, f"hashing what {night} made: {watch.place} files so far"
    digest = _digest(instance, home, dt.date.fromisoformat(night), mine, watch)
    _tell(home, digest)  # first: once the page stands, nobody comes back to tell
    write_json(path.with_suffix(".json"), mask_error(digest.to_json()), private=True)
    with atomic_write(path, private=True) as stream:
        stream.write(mask_error(digest_markdown(digest)))
    return watch, f"wrote {path.name}"


def _hash_more(
    home: Home, watch: Watch, night: str, records: Sequence[dg.RunRecord]
) -> tuple[Watch, bool]:
    """Hash some more of what the night's loops made; whether that was the last of it."""
    if watch.night != night:
        watch = replace(watch, night=night, place=0, damaged=())
    loops = {
        run.tags.get(LOOP_TAG, run.run_id) for run in (record.dagster_run for record in records)
    }
    folders = [folder for folder in finished(home) if _of(folder, loops)]
    damages, place = damage_by_part(home, folders, watch.place, VERIFY_S)
    damaged = (*watch.damaged, *(f"{damage.artifact}/{damage.file}" for damage in damages))
    return replace(watch, place=place, damaged=damaged), place == watch.place


def _of(folder: Path, loops: set[str]) -> bool:
    """Whether one of these loops made the artifact; told by its run's folder where the manifest
    cannot be read."""
    try:
        return (
            json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["loop_id"] in loops
        )
    except (OSError, ValueError, KeyError, TypeError):
        return folder.name in loops


def _digest(
    instance: dg.DagsterInstance,
    home: Home,
    night: dt.date,
    records: Sequence[dg.RunRecord],
    watch: Watch,
) -> Digest:
    runs = []
    spent = {}
    faults = list(_away(night, records, watch))
    for record in sorted(records, key=lambda record: record.create_timestamp):
        run = record.dagster_run
        log = RunLog(instance, run, run.tags["dagster/partition"])
        one = run_seen(record, log)
        runs.append(one)
        missing = [check for check in log.checks() if check.outcome == "missing"]
        faults += [
            f"{one.recipe}: check {check.check} on {check.asset} never ran." for check in missing
        ]
        # Device time from the workers' own marks, not the wall clock of the run: waiting for the
        # device costs nothing.
        since = record.start_time or 0.0
        known_recipe = home.every_recipe().valid.get(one.recipe)
        budget = known_recipe.budget if known_recipe else Budget()
        cost = run_cost(
            Store(home, one.recipe, run.run_id, run.tags.get(LOOP_TAG, run.run_id)), since
        )
        money = f"{cost.money(budget):.2f} {budget.currency}" if budget.hourly_rate else ""
        spent[one.run_id] = Spent(round(cost.device_s / 3600, 4), money)
    damaged = [
        *watch.damaged,
        *(f"{damage.artifact}/{damage.file}" for damage in database_damage(home)),
    ]
    faults += [f"{name} is damaged: its bytes are not those that were written." for name in damaged]
    recipes = home.every_recipe()
    faults += [
        f"{name}: did not run, its file is broken. {why}" for name, why in recipes.broken.items()
    ]
    ran = {run.recipe for run in runs}
    idle = [name for name, recipe in recipes.valid.items() if recipe.nightly and name not in ran]
    return build_digest(home, NightSeen(night, runs, spent, idle, faults))


def _away(night: dt.date, records: Sequence[dg.RunRecord], watch: Watch) -> Iterator[str]:
    """When nobody looked between two o'clock and the end of the last run."""
    zone = ZoneInfo(ZONE)
    begin = dt.datetime.combine(night, AT_TWO, zone).timestamp()
    end = max(record.end_time or record.create_timestamp.timestamp() for record in records)
    for start, back in watch.away:
        if start < end and back > begin:
            at = [
                dt.datetime.fromtimestamp(moment, zone).strftime("%H:%M:%S")
                for moment in (start, back)
            ]
            yield f"Dagster's daemon was away between {at[0]} and {at[1]}: killed or restarted, or the clock was set."


def _tell(home: Home, digest: Digest) -> None:
    rules = load_rules(home.alert_rules)
    rule = rules.of("digest", "nightly")
    if rule is None:
        return
    needs = (
        f"{len(digest.needs)} things need a person" if digest.needs else "nothing needs a person"
    )
    alert = Alert(
        key=f"digest/{digest.night.isoformat()}",
        kind="digest",
        recipe="nightly",
        title=f"Night of {digest.night.isoformat()}: {needs}",
        body=digest_markdown(digest),
        link=f"{rules.link}/runs",
    )
    Outbox(home.outbox).add(alert, rules.reachable(rule), time.time())
