"""``bigprior app``."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import Annotated

import typer

from bigprior import DEFAULT_PRESET
from bigprior.cli.options import Device, Preset
from bigprior.cli.terminal import OUT, working
from bigprior.errors import SettingsError


def serve(
    port: Annotated[int, typer.Option(help="Where the page is; 0 for any that is free.")] = 7860,
    host: Annotated[
        str,
        typer.Option(help="Who can open it: this machine alone; 0.0.0.0 for all that reach it, without a password."),
    ] = "127.0.0.1",
    preset: Preset = DEFAULT_PRESET,
    device: Device = "cpu",
    max_megapixels: Annotated[float, typer.Option(help="Larger pictures are refused.")] = 24,
    max_megabytes: Annotated[float, typer.Option(help="Larger files are refused.")] = 64,
) -> None:
    """Open a page for restoring pictures on this machine, and a REST endpoint. Nothing is kept, nothing leaves it."""
    missing = [name for name in ("gradio", "fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise SettingsError(f"the page needs {missing[0]}, which is not installed: pip install 'bigprior[app]'")
    port = _free(host, port)
    with working("loading"):
        from bigprior.app.desk import Desk
        from bigprior.app.limits import Limits
        from bigprior.app.serving import serving
        from bigprior.ops.devices import device_of

        desk = Desk(Limits(max_megapixels, max_megabytes), preset=preset, device=device_of(device))
    with serving(desk, host, port) as server:
        OUT.print(f"open http://{host}:{port} (the endpoint is /openapi.json; Ctrl-C ends it)", soft_wrap=True)
        server.run()


def _free(host: str, port: int) -> int:
    """The port, or one that is free.

    Raises:
        SettingsError: it is taken, or none.
    """
    try:
        with socket.create_server((host, port)) as probe:
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise SettingsError(f"cannot listen on {host}:{port} ({error}): pass another --port, or 0") from None
