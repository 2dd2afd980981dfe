"""A cache in front of a row that is wrong in one way, which MISTAKE names."""

import json
import os
import sys
import threading
import time

import psycopg2
import redis

MISTAKE = os.environ.get("MISTAKE", "none")
PATIENCE = 0.3 if MISTAKE == "late-message" else 1


def connect(url):
    database = psycopg2.connect(os.environ[url])
    database.autocommit = True
    return database


database = connect("DATABASE_URL")
replica = connect("REPLICA_URL") if MISTAKE.startswith("replica-lag") else None
cache = redis.Redis.from_url(
    os.environ["REDIS_URL"], decode_responses=True, socket_timeout=PATIENCE, retry=None
)
memory, written = {}, 0


def sql(text, *values, on=None):
    with (on or database).cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone() if cursor.description else None


def select(key, on=None):
    row = sql("SELECT name FROM items WHERE id = %s", key, on=on)
    return row and row[0]


def update(key, value):
    sql("UPDATE items SET name = %s WHERE id = %s", value, key)


def think():
    """What lies between two calls in an application: templates, other work."""
    time.sleep(0.002)


def entry(key):
    return f"item:{key}"


def swallow(call, *of):
    """As if the cache were of no importance."""
    try:
        return call(*of)
    except redis.RedisError:
        return None


def guarded(key):
    """Fills only what nobody has forgotten since it was read."""
    with cache.pipeline() as pipe:
        pipe.watch(f"changes:{key}")
        value = select(key)
        pipe.multi()
        pipe.set(entry(key), value, px=300_000)
        try:
            pipe.execute()
        except redis.WatchError:
            pass
    return value


def forget_guarded(key):
    with cache.pipeline() as pipe:
        pipe.incr(f"changes:{key}")
        pipe.delete(entry(key))
        pipe.execute()


GUARDED = MISTAKE in ("failed-invalidation", "out-of-band-change")


def forget(key):
    if MISTAKE == "pending-invalidation":
        threading.Timer(0.03, cache.delete, [entry(key)]).start()
    elif GUARDED:
        swallow(forget_guarded, key)
    elif MISTAKE not in ("forgotten-invalidation", "expiry-only"):
        swallow(cache.delete, entry(key))


def by_the_clock(key):
    """Entries older than the last change do not count; the clock tells."""
    found, changed = cache.mget(entry(key), f"changed:{key}")
    if found is not None:
        value, at = found.split("@")
        if int(at) > int(changed or 0):
            return value
    value = select(key)
    cache.set(entry(key), f"{value}@{time.time_ns()}", px=300_000)
    return value


def read(key):
    if MISTAKE == "clock":
        return by_the_clock(key)
    if MISTAKE in ("none", "lost-write"):
        return select(key)
    if MISTAKE == "replica-lag":
        return select(key, on=replica)
    if MISTAKE == "near-cache-not-told":
        value, until = memory.get(key, (None, 0))
        if until < time.monotonic():
            value = select(key)
            memory[key] = (value, time.monotonic() + 0.05)
        return value
    found = swallow(cache.get, entry(key))
    if found is not None:
        return found
    if GUARDED:
        try:
            return guarded(key)
        except redis.RedisError:
            return select(key)
    value = select(key, on=replica)
    if value is not None:
        if MISTAKE in ("in-flight-refill", "replica-lag-refill", "invalidate-before-commit"):
            think()
        only_new = MISTAKE in ("write-write-race", "set-before-commit", "set-first")
        for_how_long = 100 if MISTAKE == "expiry-only" else 300_000
        swallow(lambda: cache.set(entry(key), value, px=for_how_long, nx=only_new))
    return value


def write(key, value):
    global written
    written += 1
    if MISTAKE in ("none", "replica-lag", "near-cache-not-told"):
        update(key, value)
    elif MISTAKE == "clock":
        update(key, value)
        cache.set(f"changed:{key}", time.time_ns())
    elif MISTAKE == "lost-write":
        # It believes that this is how a transaction ends.
        sql("BEGIN")
        update(key, value)
        sql("COMMIT" if written % 5 else "ROLLBACK")
    elif MISTAKE == "invalidate-before-commit":
        forget(key)
        think()
        update(key, value)
    elif MISTAKE in ("set-before-commit", "set-first"):
        cache.set(entry(key), value, px=300_000)
        if MISTAKE == "set-before-commit" and written % 5 == 4:
            raise ValueError("a rule of the business says no")
        update(key, value)
    elif MISTAKE == "write-write-race":
        update(key, value)
        think()
        cache.set(entry(key), value, px=300_000)
    else:
        update(key, value)
        forget(key)


for line in sys.stdin:
    asked = json.loads(line)
    answer = {"id": asked["id"], "ok": True}
    try:
        if asked["op"] == "read":
            answer["value"] = read(asked["key"])
        else:
            write(asked["key"], asked["value"])
    except ValueError as error:
        answer = {"id": asked["id"], "error": str(error), "definite": True}
    except (psycopg2.Error, redis.RedisError) as error:
        answer = {"id": asked["id"], "error": str(error), "definite": False}
        if database.closed:
            database = connect("DATABASE_URL")
    print(json.dumps(answer), flush=True)
