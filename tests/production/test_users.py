"""The application's user in Valkey and PostgreSQL may do its work and nothing else."""

import json

import psycopg
import pytest
import redis

from tests.auth_helper import Account
from tests.e2e.clients import Api, granted
from tests.production.site import Site

FORBIDDEN = (
    *("FLUSHALL", "FLUSHDB", "CONFIG GET *", "CONFIG SET maxmemory 1", "SHUTDOWN", "OBJECT HELP"),
    *("KEYS *", "ACL LIST", "ACL WHOAMI", "MONITOR", "SAVE", "BGREWRITEAOF", "CLIENT LIST"),
    *("CLIENT KILL ID 1", "SCRIPT FLUSH", "EVAL return(1) 0", "FUNCTION LIST", "DEL carelink:x"),
    *("REPLICAOF NO ONE", "SUBSCRIBE x", "PUBLISH x y", "MIGRATE h 1 k 0 1", "SWAPDB 0 1"),
    *("RENAME carelink:a carelink:b", "PERSIST carelink:a", "GETDEL carelink:a", "RANDOMKEY"),
    *("SET other x", "MGET other", "MGET carelink:a other", "UNLINK other", "SELECT 1"),
)


@pytest.mark.parametrize("words", FORBIDDEN)
def test_the_application_may_not(words: str, site: Site) -> None:
    with site.denylist.carelink() as client, pytest.raises(redis.ResponseError) as refused:
        client.execute_command(*words.split())
    assert "permission" in str(refused.value).lower()


def test_no_script_reaches_a_key_of_others(site: Site) -> None:
    with site.denylist.carelink() as client:
        sha = client.script_load("return redis.call('MGET', 'other')")
        with pytest.raises(redis.ResponseError, match=r"(?i)permission|ACL|access"):
            client.evalsha(sha, 0)


def test_nobody_gets_in_without_a_password(site: Site) -> None:
    for credentials in ({}, {"password": "x"}, {"username": "carelink", "password": "x"}):
        with site.denylist.client(**credentials) as client, pytest.raises(redis.RedisError):
            client.ping()


def test_every_feature_works_with_what_the_application_may_do(
    site: Site, api: Api, user: Account
) -> None:
    with site.denylist.operator() as operator:
        operator.acl_log_reset()
        pair = granted(api.refresh(api.tokens(user)["refresh"]))
        granted(api.logout(pair["refresh"]))
        assert list(operator.scan_iter("*carelink:limits*", count=1000))
        before = json.loads(site.flask("denylist", "status", "--json"))
        assert before["entries"]["sessions"] == before["should_hold_sessions"] > 0
        assert before["warnings"] == []
        flushed = json.loads(site.flask("denylist", "flush", "--yes", "--json"))
        assert flushed["removed"] == sum(flushed["before"].values()) > 0
        reloaded = json.loads(site.flask("denylist", "reload", "--json"))
        assert reloaded["after"]["sessions"] == before["should_hold_sessions"]
        site.flask("housekeep", "--once", service="housekeeper")
        assert operator.acl_log() == []
        site.flask("doctor")  # which tries out what it must not be able to do
        asked = {str(entry["object"]) for entry in operator.acl_log()}
        assert asked == {"flushall", "config|set", "acl|setuser", "carelink-doctor-asks-elsewhere"}


def database_url(site: Site, role: str) -> str:
    return (site.places.folder / f"secrets/{role}/CARELINK_SQLALCHEMY_DATABASE_URI").read_text()


@pytest.mark.parametrize("role", ["api", "owner"])
def test_no_role_reaches_beyond_its_database(site: Site, role: str) -> None:
    url = database_url(site, role)
    with psycopg.connect(url, autocommit=True) as carelink:
        for statement in (
            "CREATE ROLE x",
            "CREATE DATABASE x",
            "SELECT pg_read_file('/etc/passwd')",
            "ALTER SYSTEM SET fsync = off",
            "COPY audit_events TO PROGRAM 'true'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                carelink.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(url, dbname="postgres")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url, password="x")


def test_who_serves_can_neither_change_the_audit_trail_nor_what_guards_it(
    site: Site, user: Account
) -> None:
    with psycopg.connect(database_url(site, "api"), autocommit=True) as carelink:
        for statement in (
            "UPDATE audit_events SET outcome = 'x'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
            "DROP TRIGGER audit_events_no_update ON audit_events",
            "ALTER TABLE audit_events DISABLE TRIGGER ALL",
            "CREATE OR REPLACE FUNCTION carelink_audit_refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN OLD; END $$",
            "SET session_replication_role = replica",
            "DROP TABLE audit_events",
            "CREATE TABLE x ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                carelink.execute(statement)
        events = carelink.execute("SELECT count(*) FROM audit_events").fetchone()
    assert events is not None
    assert events[0] > 0
