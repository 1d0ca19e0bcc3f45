"""The page: a picture in, what is wrong with it, and what came of it, with what of that was made up."""

from __future__ import annotations

import html
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from bigprior.app import answer, shown
from bigprior.app.answer import VIEWS
from bigprior.app.asked import Asked
from bigprior.app.choices import CHOICES, QUESTIONS, Choice
from bigprior.app.desk import Desk
from bigprior.app.limits import safe_name
from bigprior.app.painter import painter
from bigprior.app.session import Sessions
from bigprior.errors import BigpriorError, ImageError, MaskError
from bigprior.io.arrays import to_pil
from bigprior.io.decoding import declared_size
from bigprior.io.pictures import read_picture
from bigprior.report.shown import shrunk

_WELCOME = (
    "<p><strong>Three steps.</strong> Drop a picture. Say what is wrong with it, or let that be found. Restore it.</p>"
    "<p>Then compare before and after, see which part is measured and which is made up, and change that with a "
    "brush.</p>"
)
#: On a narrow screen the result is below what it was asked with.
_TO_RESULT = "() => { if (innerWidth < 768) document.getElementById('answer').scrollIntoView() }"
#: How often a page that waits hears how far it is, in seconds.
_TELL_S = 0.3


def theme() -> gr.themes.Base:
    """Calm, and of the machine's own fonts: none is loaded from anywhere."""
    return gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", font=["system-ui", "sans-serif"], font_mono=["monospace"]
    )


def css() -> str:
    """Of the page."""
    return files("bigprior").joinpath("app", "page.css").read_text("utf-8")


class Page:
    """Every page's parts and what they do, for one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.sessions = desk, Sessions(desk.place)

    def blocks(self) -> gr.Blocks:
        """The page itself."""
        # Long for its parts, each of which is made and wired once.
        blocks = gr.Blocks(title="bigprior", analytics_enabled=False, delete_cache=(600, 1800))
        with blocks:
            gr.HTML(
                "<h1>bigprior</h1><p>Restores a picture, and shows what of it was made up. "
                "Nothing leaves this computer.</p>",
                elem_id="head",
            )
            with gr.Row(equal_height=False):
                with gr.Column(scale=4, min_width=300, elem_id="ask"):
                    photo = gr.File(label="Your picture", type="filepath", elem_id="photo", height=140)
                    alert = gr.HTML(elem_id="alert")
                    with gr.Accordion("Paint what is missing or damaged", open=True, visible=False) as spoilt:
                        hole = painter("Paint what is missing or damaged", {"hole": "Missing"}, "hole")
                    wrong = gr.Radio(
                        [choice.said for choice in CHOICES],
                        value=CHOICES[0].said,
                        label="What is wrong with it?",
                        elem_id="wrong",
                    )
                    kernel = gr.File(
                        label="The blur of one point: .npy or a picture",
                        type="filepath",
                        elem_id="kernel",
                        height=140,
                        visible=False,
                    )
                    numbers = [
                        gr.Slider(q.least, q.most, q.usual, step=q.step, label=q.said, elem_id=name, visible=False)
                        for name, q in QUESTIONS.items()
                    ]
                    with gr.Accordion("More", open=False):
                        strength = gr.Slider(0, 2, 1, step=0.1, label="How much noise to remove", elem_id="strength")
                        budget = gr.Slider(0, 100, 100, step=1, label="At most so much made up, %", elem_id="budget")
                        several = gr.Slider(1, 4, 1, step=1, label="Alternatives", elem_id="several")
                    go = gr.Button("Restore", variant="primary", elem_id="go")
                with gr.Column(scale=6, min_width=320, elem_id="answer"):
                    status = gr.HTML(elem_id="status")
                    welcome = gr.HTML(_WELCOME, elem_id="welcome")
                    with gr.Column(visible=False, elem_id="result") as result:
                        share = gr.HTML(elem_id="share")
                        compare = _compare()
                        view = gr.Radio(list(VIEWS), value=next(iter(VIEWS)), label="Show", elem_id="view")
                        said = gr.HTML(elem_id="verdict")
                        which = gr.Radio([], label="Alternative", visible=False, elem_id="which")
                        downloads = gr.HTML(elem_id="downloads")
                        with gr.Accordion("Decide yourself: paint what is kept and what may be made up", open=True):
                            brushes = {"keep": "Keep this as measured", "free": "This may be made up"}
                            phi = painter("Paint what is kept and what may be made up", brushes, "phi")
            seen = [share, compare, said]
            own: dict[str, Any] = {"api_visibility": "private"}
            fast: dict[str, Any] = own | {"queue": False, "show_progress": "hidden"}
            photo.upload(self.dropped, [photo, wrong], [alert, hole, spoilt, result, welcome, status], **own)
            wrong.change(self.said_wrong, wrong, [spoilt, strength, kernel, *numbers], **fast)
            hole.input(self.marked, None, [alert], **fast)
            asked = [wrong, kernel, strength, budget, several, *numbers]
            told = [alert, status, welcome, result, *seen, phi, view, which, downloads, go]
            go.click(self.restored, asked, told, **own, show_progress="hidden", concurrency_limit=None).then(
                None, js=_TO_RESULT, **own
            )
            view.change(self.viewed, view, seen, **fast)
            which.input(self.chosen, [which, view], [*seen, phi], **fast)
            phi.input(self.painted, view, [alert, *seen, phi], **fast)
            blocks.unload(self.left)
        return blocks

    def dropped(self, path: str | None, wrong: str, request: gr.Request) -> tuple[Any, ...]:
        """A picture came: it is looked at, and moved to the page's own folder, byte by byte as it is."""
        session, empty = self.sessions.of(request.session_hash), {"url": "", "round": 0}
        hidden = gr.update(visible=False), gr.update(visible=True), ""
        if path is None:
            return "", empty, gr.update(visible=False), *hidden
        photo = session.folder / safe_name(Path(path).name, "photo")
        try:
            self._take(path, photo, shutil.move)
            self.desk.limits.check(photo)
            declared_size(photo)
            picture = read_picture(photo)
        except BigpriorError as error:
            photo.unlink(missing_ok=True)
            return self._alert(error), empty, gr.update(visible=False), *hidden
        size = (picture.image.shape[2], picture.image.shape[3])
        session.begin(photo, size)
        small = shown.url(to_pil(shrunk(picture.image, shown.SIDE_PX)))
        return "", {"url": small, "round": session.rounds}, gr.update(visible=_choice(wrong).holes), *hidden

    def said_wrong(self, wrong: str, request: gr.Request) -> list[Any]:
        """What is asked depends on what is wrong."""
        choice, has_photo = _choice(wrong), self.sessions.of(request.session_hash).photo is not None
        seen = [choice.holes and has_photo, choice.is_noisy(), choice.kernel, *(q in choice.asked() for q in QUESTIONS)]
        return [gr.update(visible=one) for one in seen]

    def marked(self, request: gr.Request, event: gr.EventData) -> str:
        """What is missing was painted."""
        self.sessions.of(request.session_hash).hole = str(event.painted)
        return ""

    def restored(
        self,
        request: gr.Request,
        wrong: str,
        kernel: str | None,
        strength: float,
        budget: float,
        several: float,
        *numbers: float,
    ) -> Iterator[dict[str, Any] | tuple[Any, ...]]:
        """Restore it; says meanwhile how far that is."""
        session = self.sessions.of(request.session_hash)
        same = [gr.skip()] * 9
        try:
            choice = _choice(wrong)
            session.kernel = None
            if choice.kernel and kernel is not None:
                session.kernel = session.folder / "kernel" / safe_name(Path(kernel).name, "kernel")
                session.kernel.parent.mkdir(exist_ok=True)
                self._take(kernel, session.kernel, shutil.copyfile)
            sent = session.files(holes=choice.holes, kernel=choice.kernel)
            if choice.paints and "mask" not in sent:
                raise MaskError("nothing is painted yet: paint over what is missing, then restore")
            share = None if budget >= 100 else budget / 100
            asked = Asked(
                task=choice.task,
                strength=strength if choice.is_noisy() else 1,
                max_share=share,
                samples=int(several),
                of_task={**choice.settings(dict(zip(QUESTIONS, numbers, strict=True)))},
            )
            at = [0, 0]
            before = self.desk.waiting
            future = self.desk.submit(
                asked, sent, session.folder / "results", lambda *now: at.__setitem__(slice(2), now)
            )
            while not future.done():
                yield "", answer.status(at, before, future.running()), *same, gr.update(interactive=False)
                time.sleep(_TELL_S)
            session.done(future.result())
        except BigpriorError as error:
            yield self._alert(error), answer.status(), *same, gr.update(interactive=True)
            return
        count = len(session.outcome.results) if session.outcome else 1
        names = [(str(number), number - 1) for number in range(1, count + 1)]
        yield (
            "",
            answer.status(said="Done."),
            gr.update(visible=False),
            gr.update(visible=True),
            *answer.seen(session, next(iter(VIEWS))),
            answer.paper(session),
            answer.views(session),
            gr.update(choices=names, value=0, visible=count > 1),
            answer.links(session),
            gr.update(interactive=True),
        )

    def viewed(self, view: str, request: gr.Request) -> tuple[Any, ...]:
        """Something else is to be shown."""
        return answer.seen(self.sessions.of(request.session_hash), view)

    def chosen(self, number: int, view: str, request: gr.Request) -> tuple[Any, ...]:
        """Another alternative is to be shown."""
        session = self.sessions.of(request.session_hash)
        if session.outcome is not None:
            session.choose(int(number))
        return *answer.seen(session, view), answer.paper(session)

    def painted(self, view: str, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        """Phi was painted: the picture follows."""
        session = self.sessions.of(request.session_hash)
        try:
            session.paint(event.painted)
        except BigpriorError as error:
            return self._alert(error), *[gr.skip()] * 4
        return "", *answer.seen(session, view), answer.paper(session)

    def left(self, request: gr.Request) -> None:
        """The page was closed: what it had is removed."""
        self.sessions.forget(request.session_hash)

    def _take(self, path: str, place: Path, take: Callable[[str, Path], object]) -> None:
        """A file that was sent from the page, in a place of ours."""
        if not Path(path).resolve().is_relative_to(self.desk.folder):
            raise ImageError("this file was not sent from the page: drop it there")
        take(path, place)

    def _alert(self, error: BigpriorError) -> str:
        return f"<p role=alert>{html.escape(self.desk.said(error))}</p>"


def _choice(said: str) -> Choice:
    return next(choice for choice in CHOICES if choice.said == said)


def _compare() -> gr.HTML:
    """Before and after, behind a slider that a mouse, a finger and the keyboard move."""
    parts = {
        kind: files("bigprior").joinpath("app", f"compare.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    }
    return gr.HTML(
        value={"before": "", "after": "", "said": ""},
        html_template=parts["html"],
        css_template=parts["css"],
        js_on_load=parts["js"],
        elem_id="compare",
    )
