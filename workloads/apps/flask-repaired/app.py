"""Profiles behind a cache that takes no older value than it has seen.

Every row carries a version. A reader's entry never replaces a newer one, and a
writer, once it has committed and before it answers, leaves an entry without a
body that bars whatever is older.
"""

import json
import os

import redis
from flask import Flask, abort, jsonify, request
from sqlalchemy import Column, Integer, String, create_engine
from sqlalchemy.orm import Session, declarative_base

app = Flask(__name__)
engine = create_engine(os.environ["DATABASE_URL"], pool_size=2)
cache = redis.Redis.from_url(os.environ["REDIS_URL"])
Base = declarative_base()

# Keeps the newer of two entries; an entry that only bars older ones has no body.
NEWER = cache.register_script("""
local held = redis.call('HGET', KEYS[1], 'version')
if held and tonumber(held) >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'body', ARGV[2]) end
redis.call('EXPIRE', KEYS[1], 300)
return 1
""")


class Profile(Base):
    __tablename__ = "profiles"
    id = Column(Integer, primary_key=True)
    name = Column(String, nullable=False)
    version = Column(Integer, nullable=False, server_default="1")


@app.get("/health")
def health():
    return "ok"


@app.get("/profiles/<int:profile_id>")
def show(profile_id):
    cached = cache.hget(f"profile:{profile_id}", "body")
    if cached is not None:
        return jsonify(json.loads(cached))
    with Session(engine) as session:
        profile = session.get(Profile, profile_id)
        if profile is None:
            abort(404)
        body = {"id": profile.id, "name": profile.name}
        version = profile.version
    NEWER(keys=[f"profile:{profile_id}"], args=[version, json.dumps(body)])
    return jsonify(body)


@app.put("/profiles/<int:profile_id>")
def update(profile_id):
    with Session(engine) as session:
        profile = session.get(Profile, profile_id, with_for_update=True)
        if profile is None:
            abort(404)
        profile.name = request.get_json()["name"]
        profile.version += 1
        version = profile.version
        session.commit()
    NEWER(keys=[f"profile:{profile_id}"], args=[version, ""])
    return "", 204


if __name__ == "__main__":
    Base.metadata.create_all(engine)
