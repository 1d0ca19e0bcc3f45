"""What the page says of a result: how much was made up, both pictures, the verdict, and where it can be had."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr
from PIL.Image import Image

from bigprior.app import shown
from bigprior.app.session import DOWNLOADS, Session
from bigprior.report.folder import description
from bigprior.report.verdict import verdict
from bigprior.restoration import Restoration

#: What can be shown to the right of the slider.
VIEWS: dict[str, Callable[[Restoration], Image | None]] = {
    "The restored picture": shown.after,
    "What was made up (orange)": shown.made_up,
    "Where noise was found (violet)": shown.noise,
}
_DOWNLOADS = {"picture": "Picture", "layers": "Layers", "report": "Report", "everything": "Everything (zip)"}


def status(at: list[int] | None = None, before: int = 0, running: bool = True, said: str = "") -> str:
    """How far it is, in words."""
    if at is not None:
        said = (
            f"Waiting: {before} before you."
            if not running
            else "Restoring" + (f": {at[0]} of {at[1]}" if at[1] else "")
        )
    return f"<p role=status aria-live=polite>{said}</p>"


def seen(session: Session, view: str) -> tuple[Any, ...]:
    """How much was made up; both pictures; and the verdict."""
    if (result := session.result) is None:
        return gr.skip(), gr.skip(), gr.skip()
    picture = VIEWS.get(view, shown.after)(result) or shown.after(result)
    said = f"{view}, of which {result.mean_share:.0%} is made up."
    pictures = {"before": session.before, "after": shown.url(picture), "said": said}
    lines = verdict(result, description(result))
    listed = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    share = f"<p aria-live=polite><strong>{result.mean_share:.0%}</strong> made up, the rest was measured</p>"
    return share, pictures, f"<ul>{listed}</ul>"


def views(session: Session) -> Any:
    """What there is to show of it."""
    assert session.result is not None
    names = [name for name, view in VIEWS.items() if view(session.result) is not None]
    return gr.update(choices=names, value=names[0])


def paper(session: Session) -> dict[str, Any]:
    """The result, to paint on."""
    assert session.result is not None
    return {"url": shown.url(shown.after(session.result)), "round": session.rounds}


def links(session: Session) -> str:
    """Where the result can be had; it is written when somebody asks for it."""
    links = (f'<a href="/download/{session.token}/{what}" download>{_DOWNLOADS[what]}</a>' for what in DOWNLOADS)
    return f'<div class="links">{"".join(links)}</div>'
