"""Profiles behind a cache: FastAPI, an asyncpg pool and redis.asyncio."""

import json
import os

import asyncpg
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel
from redis import asyncio as redis

app = FastAPI()
cache = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


class Profile(BaseModel):
    name: str


@app.on_event("startup")
async def connect():
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=1, max_size=2
    )


@app.on_event("shutdown")
async def disconnect():
    await app.state.pool.close()


@app.get("/health")
async def health():
    return "ok"


@app.get("/profiles/{profile_id}")
async def show(profile_id: int):
    cached = await cache.get(f"profile:{profile_id}")
    if cached is not None:
        return json.loads(cached)
    async with app.state.pool.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT id, name FROM profiles WHERE id = $1", profile_id
        )
    if row is None:
        raise HTTPException(status_code=404)
    body = dict(row)
    await cache.set(f"profile:{profile_id}", json.dumps(body), ex=300)
    return body


@app.put("/profiles/{profile_id}", status_code=204)
async def update(profile_id: int, profile: Profile):
    async with app.state.pool.acquire() as connection:
        async with connection.transaction():
            done = await connection.execute(
                "UPDATE profiles SET name = $1 WHERE id = $2", profile.name, profile_id
            )
    if done == "UPDATE 0":
        raise HTTPException(status_code=404)
    await cache.delete(f"profile:{profile_id}")
    return Response(status_code=204)
