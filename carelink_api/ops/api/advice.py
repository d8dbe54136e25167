"""What is wrong with the stores, what it means for those who work, and what to do: a pure rule."""

from dataclasses import dataclass

from ..health import Readiness

OK, WARN, BAD = "ok", "warn", "bad"


@dataclass(frozen=True)
class Advice:
    """One thing that was looked at, in words for somebody who has just been woken up."""

    name: str
    state: str
    found: str
    means: str = ""
    mend: str = ""


def advise(readiness: Readiness, *, breaker_open: bool) -> list[Advice]:
    """Return what there is to say of each store and process."""
    return [
        database(readiness),
        redis(readiness, breaker_open=breaker_open),
        pulse(readiness),
        housekeeper(readiness),
    ]


def database(readiness: Readiness) -> Advice:
    if not readiness.database.ok:
        return Advice(
            "database", BAD, "The database does not answer.",
            "Nobody can log in or refresh. Who is in goes on until the access token expires, "
            "5 to 30 minutes.",
            "See that PostgreSQL runs and takes connections, and that its disk is not full. "
            "Nothing has to be done here afterwards.",
        )  # fmt: skip
    if not readiness.database.migrated:
        return Advice(
            "database", BAD, "The database is not at the migration of this version.",
            "Some requests may fail.", "Run: flask --app wsgi db upgrade",
        )  # fmt: skip
    return Advice("database", OK, "Answers.")


def redis(readiness: Readiness, *, breaker_open: bool) -> Advice:
    if not readiness.redis.ok or breaker_open:
        return Advice(
            "redis", BAD if not readiness.pulse.ok else WARN,
            "Redis does not answer." if not readiness.redis.ok else "A node of Redis fails.",
            "Nobody is thrown out and nobody who was revoked gets in: the workers ask the "
            "database. Throttles count in each worker.",
            "See that Redis runs and is not full. When it is back, the housekeeper writes what it "
            "has missed.",
        )  # fmt: skip
    if readiness.redis.warnings:
        return Advice(
            "redis", WARN, "Answers, but: " + " ".join(readiness.redis.warnings),
            "Revocations hold all the same; the first line of defence may forget them.",
            "Change the setting when there is time.",
        )  # fmt: skip
    return Advice("redis", OK, "Answers.")


def pulse(readiness: Readiness) -> Advice:
    known = readiness.pulse
    if known.ok:
        return Advice("pulse", OK, f"Looked {known.age_seconds} s ago; remembers {known.size}.")
    return Advice(
        "pulse", WARN if readiness.redis.ok else BAD,
        "This worker has not read from the database which sessions have ended, for more than "
        "a second.",
        "With Redis there, revocations hold. Without it, requests are answered 503 after a second.",
        "Look at the database first. If it is well, look at this worker's log.",
    )  # fmt: skip


def housekeeper(readiness: Readiness) -> Advice:
    known = readiness.housekeeper
    if known.ok:
        return Advice("housekeeper", OK, "Does its chores.")
    if not known.late:
        return Advice("housekeeper", WARN, "Not known: the database does not answer.",
                      "", "Look at the database first.")  # fmt: skip
    return Advice(
        "housekeeper", WARN, f"Late: {', '.join(known.late)}.",
        "Sessions whose time is over are refused all the same. Redis may not learn what it has "
        "missed, and the audit trail is not sealed.",
        "See that the housekeeper runs: flask --app wsgi housekeep. If it does, its log says "
        "what fails.",
    )  # fmt: skip
