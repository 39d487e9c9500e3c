"""What messages are verified with: the secret of a workspace, and the public key of this server."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.dependencies import PlugsOf, Work, WorkspaceId
from api.schemas.endpoints import PublicKeyBody, PublicKeys, WorkspaceSecretBody
from api.services.signing_secrets import rotate_workspace_secret, workspace_secret

router = APIRouter(tags=["Webhooks"])


@router.get("/api/webhook-secret", summary="The secret of your workspace")
async def secret(
    workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, response: Response
) -> WorkspaceSecretBody:
    """Signs the messages to URLs that queries name as `webhook_url`; registered endpoints have their own."""
    row = await workspace_secret(work.session, workspace_id, plugs.seal)
    response.headers["Cache-Control"] = "no-store"
    return WorkspaceSecretBody.of(row, plugs.seal.open(row.secret))


@router.post("/api/webhook-secret/rotate", summary="A new secret for your workspace")
async def rotate(
    workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, response: Response
) -> WorkspaceSecretBody:
    """For 24 hours every message is signed with the new secret and with the one before."""
    row = await rotate_workspace_secret(work.session, workspace_id, plugs.seal)
    response.headers["Cache-Control"] = "no-store"
    return WorkspaceSecretBody.of(row, plugs.seal.open(row.secret))


@router.get("/.well-known/genequeue-webhooks.json", summary="The public key of this server")
async def public_keys(plugs: PlugsOf) -> PublicKeys:
    """Verifies the `v1a` signatures of endpoints that are `asymmetric`. Needs no key."""
    public = plugs.seal.signing_key.public
    return PublicKeys(keys=[PublicKeyBody(version=public.version, algorithm="Ed25519", key=str(public))])
