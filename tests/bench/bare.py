"""Two bare Flask routes that answer like `me`: what the framework, and one Redis GET, cost."""

import os

import redis
from flask import Flask, Response, jsonify

app = Flask(__name__)
server = redis.Redis.from_url(os.environ["BENCH_REDIS_URL"])
ANSWER = {
    "user": {
        "id": 1,
        "email": "nurse@ward.example",
        "name": "Nurse",
        "user_type": "nurse",
        "unit": None,
    },
    "session": {
        "id": "x" * 22,
        "profile": "standard",
        "started_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-01T12:00:00Z",
        "idle_timeout_seconds": 0,
        "shift": None,
    },
    "seconds_left": {"idle": None, "absolute": 43200, "shift": None, "handoff": None},
}


@app.get("/health/live/")
def live() -> Response:
    return jsonify(status="live")


@app.get("/plain")
def plain() -> Response:
    return jsonify(ANSWER)


@app.get("/redis")
def one_get() -> Response:
    server.get("carelink:revoked:{bench}")
    return jsonify(ANSWER)
