"""The control API under /v1: purge, explain, top. Bearer token, OpenAPI, problem+json; imported when it is first asked."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, MutableMapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException

from tintype import __version__
from tintype.core.entry import Scope, Selector
from tintype.core.errors import BadRequest, NotFound, NotSigned, TintypeError
from tintype.ports import Clock
from tintype.services.purge import Purge, Purged
from tintype.web.mounts import Mounts
from tintype.web.paths import CONTROL, OPENAPI, PURGE
from tintype.web.reply import Receive, Send
from tintype.web.reply import Scope as ASGIScope
from tintype.web.served import mounted

_PROBLEM = "application/problem+json"
# Longest body read: several times the longest purge there is.
_BODY_BYTES = 64 * 1024
_UNSIGNED = "the control API wants the admin token: Authorization: Bearer ..."
_BEARER = HTTPBearer(auto_error=False, description="The server's admin_token.")


class Admin:
    """Lets callers with the admin token through."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def __call__(self, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
        """Raise NotSigned without the token."""
        if given is None or not hmac.compare_digest(given.credentials.encode(), self._token):
            raise NotSigned(_UNSIGNED)


class Gate:
    """In front of the API: no body is read without the admin token, and none that is longer than a purge can be.

    FastAPI by itself reads a body to its end, whoever sends it, before it asks any dependency.
    """

    def __init__(self, app: FastAPI, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
            body = [{"type": "http.request", "body": await _read(receive)}]
        except TintypeError as error:
            await _problem(error.status, error.code, str(error))(scope, receive, send)
            return

        async def replay() -> MutableMapping[str, Any]:
            return body.pop() if body else await receive()

        await self._app(scope, replay, send)

    def _check(self, scope: ASGIScope) -> None:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, token = given.partition(b" ")
        if not hmac.compare_digest(kind.title() + b" " + token.strip(), self._expected):
            raise NotSigned(_UNSIGNED)


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the body ended early")
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > _BODY_BYTES:
            raise BadRequest(f"the body has more than {_BODY_BYTES} bytes; purge less at once")
    return body


class PurgeRequest(BaseModel):
    """Exactly one of url, source, prefix, tag and all."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(
        None, max_length=8192, description="Path (or whole URL) of an image as it is served, signed."
    )
    source: str | None = Field(None, max_length=8192, description="A source URL: every variant of it, and its bytes.")
    prefix: str | None = Field(None, max_length=8192, description="Every source URL that starts so.")
    tag: str | None = Field(None, max_length=256, description="Every result with this cache tag.")
    all: bool = Field(False, description="Everything.")
    tenant: str = Field("", max_length=64, description="Only of this tenant; empty = of all.")
    soft: bool = Field(False, description="Keep serving what is there, as stale, while its source is asked for again.")

    @model_validator(mode="after")
    def _one(self) -> PurgeRequest:
        given = [name for name in ("url", "source", "prefix", "tag") if getattr(self, name)] + ["all"] * self.all
        if len(given) != 1:
            message = f"give exactly one of url, source, prefix, tag and all; given: {', '.join(given) or 'none'}"
            raise ValueError(message)
        if self.soft and self.tag:
            message = (
                "a soft purge makes sources stale, and a tag names results; leave out soft, or give source or prefix"
            )
            raise ValueError(message)
        return self


class PurgeAnswer(BaseModel):
    """What went."""

    results: int = Field(description="Cached results dropped.")
    sources: int = Field(description="Sources forgotten, or made stale by a soft purge.")


def control_api(
    purge: Purge,
    questions: APIRouter,
    mounts: Callable[[], Mounts],
    clock: Clock,
    admin_token: str,
    path_prefix: str = "",
) -> Gate:
    """Build the control API. `mounts` gives the present snapshot; `path_prefix` is the server's, as URLs have it."""
    app = FastAPI(
        title="tintype control API",
        version=__version__,
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {_PROBLEM: {}}}
        for status, text in ((400, "The URL is not one of ours."), (403, "No admin token."), (422, "A value is wrong."))
    }
    admin = Depends(Admin(admin_token))

    @app.post(PURGE, dependencies=[admin], responses=refusals)
    async def purge_now(asked: PurgeRequest) -> PurgeAnswer:
        """Drop an exact URL, a source URL or prefix, a tag, or everything, from every tier."""
        done = await _purge(purge, mounts(), clock.now(), asked, path_prefix)
        return PurgeAnswer(results=done.results, sources=done.sources)

    app.include_router(questions, dependencies=[admin], responses=refusals)
    _tell_errors(app, path_prefix)
    return Gate(app, admin_token)


def _tell_errors(app: FastAPI, path_prefix: str) -> None:
    @app.exception_handler(TintypeError)
    async def refuse(_: Request, error: TintypeError) -> JSONResponse:
        return _problem(error.status, error.code, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        detail = "; ".join(
            f"{'.'.join(str(p) for p in e['loc'][1:]) or 'body'}: {e['msg']}" for e in error.errors()[:5]
        )
        return _problem(422, "bad_request", detail)

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> JSONResponse:
        path, method = request.url.path, request.method
        code, detail = _unrouted(path, method, path_prefix)
        return _problem(error.status_code, code, detail, error.headers)


def _unrouted(path: str, method: str, path_prefix: str) -> tuple[str, str]:
    """Return code and detail of a request that no route takes."""
    at = path_prefix + path
    if path in CONTROL:
        return BadRequest.code, f"{at} takes {CONTROL[path]}, not {method}"
    known = ", ".join(f"{method} {path_prefix}{path}" for path, method in CONTROL.items())
    return NotFound.code, f"there is nothing at {at}; the control API has {known}"


def _problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {
        "type": f"urn:tintype:error:{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if code == NotSigned.code:
        headers = {"www-authenticate": "Bearer"}
    return JSONResponse(body, status, headers=headers, media_type=_PROBLEM)


async def _purge(purge: Purge, mounts: Mounts, now: float, asked: PurgeRequest, path_prefix: str) -> Purged:
    if asked.url:
        mount, rest, query = mounted(asked.url, mounts, path_prefix)
        return await purge.url(mount.tenant.name, mount.dialect.parse(rest + query, now), soft=asked.soft)
    scope, value = next(
        (scope, value)
        for scope, value in (
            (Scope.SOURCE, asked.source),
            (Scope.PREFIX, asked.prefix),
            (Scope.TAG, asked.tag),
            (Scope.ALL, "" if asked.all else None),
        )
        if value is not None
    )
    return await purge(Selector(scope=scope, value=value, tenant=asked.tenant), soft=asked.soft)
