"""The same race without HTTP: one JSON object a line, redis-py and psycopg2."""

import json
import os
import sys

import psycopg2
import redis

database = psycopg2.connect(os.environ["DATABASE_URL"])
database.autocommit = True
cache = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


def read(key):
    entry = cache.get(f"item:{key}")
    if entry is not None:
        return entry
    with database.cursor() as cursor:
        cursor.execute("SELECT name FROM items WHERE id = %s", (key,))
        row = cursor.fetchone()
    if row is not None:
        cache.set(f"item:{key}", row[0], ex=300)
    return row and row[0]


def write(key, value):
    with database.cursor() as cursor:
        cursor.execute("UPDATE items SET name = %s WHERE id = %s", (value, key))
    cache.delete(f"item:{key}")


for line in sys.stdin:
    asked = json.loads(line)
    answer = {"id": asked["id"], "ok": True}
    try:
        if asked["op"] == "read":
            answer["value"] = read(asked["key"])
        else:
            write(asked["key"], asked["value"])
    except (psycopg2.Error, redis.RedisError) as error:
        answer = {"id": asked["id"], "error": str(error), "definite": False}
        if database.closed:
            database = psycopg2.connect(os.environ["DATABASE_URL"])
            database.autocommit = True
    print(json.dumps(answer), flush=True)
