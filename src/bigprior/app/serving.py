"""The page and the endpoint as one application, for the machine that it runs on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request

from bigprior import __version__
from bigprior.app.desk import Desk
from bigprior.app.page import Page, css, theme
from bigprior.app.rest import endpoint, packed
from bigprior.app.session import DOWNLOADS, Sessions
from bigprior.errors import BigpriorError

#: A browser asks nobody else for anything, and no other site shows the page within itself.
_HEADERS = {
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
#: Names of this machine, to which a page of another site cannot point a name of its own.
_OURS = ["127.0.0.1", "localhost", "[::1]", "testserver"]

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Scope]]
_Send = Callable[[_Scope], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class Guard:
    """Refuses bodies above a limit by what they say of themselves, and says to browsers what they may load.

    Gradio takes names of files in the working folder and in the system's temporary one; here none but the desk's are.
    """

    def __init__(self, app: _App, desk: Desk) -> None:
        self.app, self.desk, self.megabytes = app, desk, desk.limits.megabytes

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["method"] == "POST":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit():
                return await _refuse(
                    scope, receive, send, 411, "the request does not say how long it is: send it whole"
                )
            if int(length) > self.megabytes * 1e6:
                said = f"{int(length) / 1e6:.0f} MB were sent: expected at most {self.megabytes:g}; make it smaller"
                return await _refuse(scope, receive, send, 413, said)
            if not dict(scope["headers"]).get(b"content-type", b"").startswith(b"multipart/form-data"):
                body = await Request(scope, receive).body()
                if not self._ours(body):
                    said = "the request names a file that was not sent: send it"
                    return await _refuse(scope, receive, send, 403, said)
                receive = _again(body)

        async def sending(message: _Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in _HEADERS.items()),
                ]
            await send(message)

        await self.app(scope, receive, sending)

    def _ours(self, body: bytes) -> bool:
        """Whether every ``path`` in a JSON text is in the desk's folder."""
        named: list[Any] = []
        with suppress(ValueError):
            json.loads(body, object_hook=lambda held: named.append(held.get("path")))
        return all(
            path is None or (isinstance(path, str) and Path(path).resolve().is_relative_to(self.desk.folder))
            for path in named
        )


def _again(body: bytes) -> _Receive:
    """A body that was read already."""
    parts: list[_Scope] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> _Scope:
        if parts:
            return parts.pop()
        await asyncio.Event().wait()  # nobody hangs up
        return {"type": "http.disconnect"}

    return receive


async def _refuse(scope: _Scope, receive: _Receive, send: _Send, status: int, said: str) -> None:
    await JSONResponse({"error": said}, status)(scope, receive, send)


def application(desk: Desk, host: str = "127.0.0.1") -> FastAPI:
    """The page at ``/``, the endpoint at ``/api/v1/restore``, and ``/openapi.json``.

    Args:
        desk: does the work.
        host: where it listens; on this machine alone, only this machine's names are answered.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(desk.place())  # where uploads go before a page has them
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)  # else every event makes a table that nobody asks for
    api, page = endpoint(desk, __version__), Page(desk)
    _offer_downloads(api, desk, page.sessions)
    api.add_middleware(Guard, desk=desk)
    if host in _OURS:
        api.add_middleware(TrustedHostMiddleware, allowed_hosts=_OURS)
    mounted: FastAPI = gr.mount_gradio_app(
        api,
        page.blocks(),
        "/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        max_file_size=int(desk.limits.megabytes * 1e6),
        show_error=False,
        theme=theme(),
        css=css(),
    )
    return mounted


def _offer_downloads(api: FastAPI, desk: Desk, sessions: Sessions) -> None:
    async def download(token: str, what: str) -> Response:
        session = sessions.opened_by(token)
        if session is None or session.result is None or what not in DOWNLOADS:
            return JSONResponse({"error": "there is no such result any more: restore the picture again"}, 404)
        try:
            folder = await run_in_threadpool(session.saved, what)
        except BigpriorError as error:
            return JSONResponse({"error": desk.said(error)}, 422)
        gone = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        wanted = {"picture": "restored.*", "layers": "layers.*", "report": "report.html"}.get(what)
        if wanted is not None:
            path = next(folder.glob(wanted))
        else:
            path = await run_in_threadpool(packed, folder, folder / "restoration.zip")
        return FileResponse(path, filename=path.name, background=gone)

    api.add_api_route("/download/{token}/{what}", download, include_in_schema=False, response_class=Response)


@contextmanager
def serving(desk: Desk, host: str, port: int) -> Iterator[uvicorn.Server]:
    """A server that is ready to run; the desk is cleared afterwards."""
    with desk:
        yield uvicorn.Server(uvicorn.Config(application(desk, host), host=host, port=port, log_level="warning"))
