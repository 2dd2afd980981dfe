"""Profiles without a cache: the control, which must hold."""

import os

from flask import Flask, abort, jsonify, request
from sqlalchemy import Column, Integer, String, create_engine
from sqlalchemy.orm import Session, declarative_base

app = Flask(__name__)
engine = create_engine(os.environ["DATABASE_URL"], pool_size=2)
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
    with Session(engine) as session:
        profile = session.get(Profile, profile_id)
        if profile is None:
            abort(404)
        body = {"id": profile.id, "name": profile.name}
    return jsonify(body)


@app.put("/profiles/<int:profile_id>")
def update(profile_id):
    with Session(engine) as session:
        profile = session.get(Profile, profile_id)
        if profile is None:
            abort(404)
        profile.name = request.get_json()["name"]
        session.commit()
    return "", 204


if __name__ == "__main__":
    Base.metadata.create_all(engine)
