"""The one body that every refusal has, whatever refused it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FaultBody(BaseModel):
    """One thing that is wrong with a request."""

    path: str = Field(description="Where it stands in the query; empty for the request as a whole.")
    message: str = Field(description="What is wrong, and what to do about it.")


class ErrorBody(BaseModel):
    """Why a request was refused: one line, then every reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": "The query was rejected. inputs[0].metadata.sex: 'femal' is not a value of sex.",
                    "errors": [
                        {
                            "path": "inputs[0].metadata.sex",
                            "message": "'femal' is not a value of sex. Did you mean 'female'?",
                        }
                    ],
                    "code": "query_rejected",
                    "request_id": "5a3c0d7e9f4b4f0e8c1d2b3a4f5e6d7c",
                }
            ]
        }
    )

    error: str
    errors: list[FaultBody]
    code: str = Field(description="A word for programs to branch on.")
    request_id: str = Field(description="Also in the X-Request-ID header and in every log line.")
