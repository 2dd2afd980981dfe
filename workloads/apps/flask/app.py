"""Profiles behind a cache, as the Flask and SQLAlchemy documentation has it."""

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


class Profile(Base):
    __tablename__ = "profiles"
    id = Column(Integer, primary_key=True)
    name = Column(String, nullable=False)


@app.get("/health")
def health():
    return "ok"


@app.get("/profiles/<int:profile_id>")
def show(profile_id):
    cached = cache.get(f"profile:{profile_id}")
    if cached is not None:
        return jsonify(json.loads(cached))
    with Session(engine) as session:
        profile = session.get(Profile, profile_id)
        if profile is None:
            abort(404)
        body = {"id": profile.id, "name": profile.name}
    cache.set(f"profile:{profile_id}", json.dumps(body), ex=300)
    return jsonify(body)


@app.put("/profiles/<int:profile_id>")
def update(profile_id):
    with Session(engine) as session:
        profile = session.get(Profile, profile_id)
        if profile is None:
            abort(404)
        profile.name = request.get_json()["name"]
        session.commit()
    cache.delete(f"profile:{profile_id}")
    return "", 204


if __name__ == "__main__":
    Base.metadata.create_all(engine)
