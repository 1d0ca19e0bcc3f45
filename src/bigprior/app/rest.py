"""The same jobs over HTTP: ``POST /api/v1/restore`` takes a photo and gives its results; ``/openapi.json`` says how."""

from __future__ import annotations

import asyncio
import base64
import shutil
import zipfile
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from bigprior.app.asked import FIND, Asked
from bigprior.app.desk import Desk, passing
from bigprior.app.limits import TooLargeError, safe_name
from bigprior.errors import BigpriorError
from bigprior.jobs import Outcome
from bigprior.report.verdict import verdict

_SETTINGS = (
    "A JSON object: seed, samples, max_share, strength, rho, grain, frame, preset, prior, only, format, layers, "
    "layers_as; and the task's own settings. Pictures are files of their own, never names here."
)
_SAID = {"type": "object", "properties": {"error": {"type": "string", "description": "One sentence."}}}
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": what, "content": {"application/json": {"schema": _SAID}}}
    for status, what in ((411, "No Content-Length."), (413, "Above a limit."), (422, "It cannot be restored so."))
}
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"description": "The folder of results; as JSON if asked for.", "content": {"application/zip": {}}}
}


def endpoint(desk: Desk, version: str) -> FastAPI:
    """The application with the endpoint alone."""
    # No pages of FastAPI's own: they load their scripts from elsewhere.
    api = FastAPI(title="bigprior", version=version, docs_url=None, redoc_url=None)

    async def restore(
        photo: Annotated[UploadFile, File(description="The photograph.")],
        mask: Annotated[UploadFile | None, File(description="White = known, black = hole.")] = None,
        hints: Annotated[UploadFile | None, File(description="Colours that are known, else transparent.")] = None,
        keep: Annotated[UploadFile | None, File(description="White: nothing is made up there.")] = None,
        paint: Annotated[UploadFile | None, File(description="phi by hand: white = made up.")] = None,
        kernel: Annotated[UploadFile | None, File(description="The blur of one point: .npy or a picture.")] = None,
        task: Annotated[str, Form(description=f"A task's name or verb, or {FIND}.")] = FIND,
        settings: Annotated[str, Form(description=_SETTINGS)] = "{}",
        answer: Annotated[str, Form(description="zip, or json with the files in base64.")] = "zip",
    ) -> Response:
        """Restore one photograph; requests wait for each other."""
        sent = {"photo": photo, "mask": mask, "hints": hints, "keep": keep, "paint": paint, "kernel": kernel}
        with passing(desk.place()) as place:
            files = {name: await _kept(file, place / name, name) for name, file in sent.items() if file is not None}
            asked = Asked.of(task, settings)
            outcome = await asyncio.wrap_future(desk.submit(asked, files, place / "results"))
            written = await asyncio.to_thread(outcome.save)
            if answer == "json":
                body = await asyncio.to_thread(_as_json, outcome, written)
                shutil.rmtree(place)
                return JSONResponse(body)
            path = await asyncio.to_thread(packed, place / "results", place / "results.zip")
        gone = BackgroundTask(shutil.rmtree, place, ignore_errors=True)
        return FileResponse(path, media_type="application/zip", filename="restoration.zip", background=gone)

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BigpriorError)
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if isinstance(error, TooLargeError) else 422
        return JSONResponse({"error": desk.said(error)}, status)

    async def malformed(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 422)

    api.add_exception_handler(BigpriorError, refused)
    api.add_exception_handler(RequestValidationError, malformed)
    api.add_api_route("/api/v1/restore", restore, methods=["POST"], responses=_ZIP | _REFUSED, response_class=Response)
    return api


async def _kept(file: UploadFile, folder: Path, name: str) -> Path:
    """What was sent, in a folder of its own, under its name as far as that is harmless."""
    folder.mkdir()
    path = folder / safe_name(file.filename, name)
    with path.open("wb") as out:
        while part := await file.read(1 << 20):
            out.write(part)
    return path


def packed(folder: Path, path: Path) -> Path:
    """The files of a folder as a zip."""
    held = sorted(folder.iterdir())  # before there is a zip, which may be put among them
    with zipfile.ZipFile(path, "w") as archive:
        for file in held:
            archive.write(file, file.name)
    return path


def _as_json(outcome: Outcome, written: dict[str, Path]) -> dict[str, Any]:
    result = outcome.results[0]
    return {
        "task": result.task,
        "made_up": result.mean_share,
        "verdict": verdict(result, result.provenance),
        "files": {path.name: base64.b64encode(path.read_bytes()).decode() for path in written.values()},
    }
