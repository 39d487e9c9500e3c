"""The answers of the health routes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Whether the process can serve, and what it depends on: "ok", or what is wrong."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str] = Field(examples=[{"catalog": "ok", "database": "ok", "storage": "ok"}])
    broken_models: list[str] = Field(
        description="Added models that cannot be served, and why; the others are not touched by it."
    )
