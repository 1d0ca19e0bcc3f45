"""Who does the work of a batch: this process, or the actors of a Ray cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bigprior.batch.inputs import Item
from bigprior.batch.manifest import Row
from bigprior.batch.work import Plan, Worker
from bigprior.errors import SettingsError

#: An actor has so many pictures at a time: in them it reads ahead and writes behind.
_CHUNK = 8
#: A picture at which so many actors have died is given up.
_LIVES = 3


@dataclass(frozen=True)
class Chunk:
    """Pictures that are done together.

    Attributes:
        items: the pictures.
        shard: the tar file that they go into; None for none.
        deaths: so many actors have died at them.
    """

    items: tuple[Item, ...]
    shard: int | None = None
    deaths: int = 0


def here(plan: Plan, chunks: Sequence[Chunk], done: Callable[[Row], None]) -> None:
    """Do all of it in this process.

    Raises:
        Exception: as :meth:`bigprior.batch.work.Worker.do`.
    """
    worker = Worker(plan)
    if plan.shard_size is None:
        worker.do([item for chunk in chunks for item in chunk.items], done)
        return
    for chunk in chunks:
        worker.do(chunk.items, done, chunk.shard)


def on_ray(
    plan: Plan,
    chunks: Sequence[Chunk],
    done: Callable[[Row], None],
    *,
    address: str = "local",
    workers: int | None = None,
    cores: int = 1,
    on_gpu: bool = False,
) -> None:
    """Do it by actors, each of which loads the restorer once, and so many pictures at a time.

    What an actor was at when it died, alone or with its machine, another one does again: results are put in their
    places one by one, and are the same; what became of them is said here alone, once.

    Args:
        plan: what to do.
        chunks: the pictures.
        done: called with what became of each.
        address: of a cluster; ``auto`` finds the one that this machine is of, ``local`` makes one of this machine.
        workers: how many actors; by default as many as there are cores for.
        cores: of each actor.
        on_gpu: each has a GPU.

    Raises:
        SettingsError: Ray is not installed, there is no such cluster, or actors die whatever they are given.
        Exception: what ``done`` raises, or an actor other than of a picture.
    """
    with _cluster(address, workers, cores) as ray:
        workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)
        made = ray.remote(num_cpus=cores, num_gpus=int(on_gpu), max_restarts=0)(_Actor)
        waiting, plan_there = deque(_small(chunks, plan, workers)), ray.put(plan)
        idle = [made.remote(plan_there) for _ in range(min(workers, len(waiting)))]
        busy, deaths = dict[Any, tuple[Any, Chunk]](), 0
        while waiting or busy:
            while waiting and idle:
                actor, chunk = idle.pop(), waiting.popleft()
                busy[actor.do.remote(chunk)] = (actor, chunk)
            (finished,), _ = ray.wait(list(busy))
            actor, chunk = busy.pop(finished)
            try:
                rows = ray.get(finished)
            except ray.exceptions.RayActorError as error:
                deaths += 1
                if deaths > _LIVES * workers:
                    why = str(error).strip().splitlines()[-1]
                    raise SettingsError(f"actors die whatever they are given ({why})") from error
                again = _after_death(chunk, plan, done)
                waiting.extendleft(reversed(again))
                idle.append(made.remote(plan_there))
                continue
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            deaths = 0
            idle.append(actor)
            for row in rows:
                done(row)


class _Actor:
    """A worker in a process of a cluster."""

    def __init__(self, plan: Plan) -> None:
        self.worker = Worker(plan)

    def do(self, chunk: Chunk) -> list[Row]:
        rows = list[Row]()
        self.worker.do(chunk.items, rows.append, chunk.shard)
        return rows


def _small(chunks: Sequence[Chunk], plan: Plan, workers: int) -> Iterator[Chunk]:
    """Shards as they are; other pictures a few at a time, and no actor idle at the end while another has many."""
    if plan.shard_size is not None:
        yield from chunks
        return
    items = [item for chunk in chunks for item in chunk.items]
    size = max(1, min(_CHUNK, len(items) // (4 * workers)))
    for start in range(0, len(items), size):
        yield Chunk(tuple(items[start : start + size]))


def _after_death(chunk: Chunk, plan: Plan, done: Callable[[Row], None]) -> list[Chunk]:
    """What is done again of what an actor died at; a picture at which several died has failed."""
    if chunk.deaths + 1 < _LIVES:
        return [replace(chunk, deaths=chunk.deaths + 1)]
    if len(chunk.items) > 1 and chunk.shard is None:  # one of them may be the one that kills: find it
        return [Chunk((item,), deaths=_LIVES - 2) for item in chunk.items]
    for item in chunk.items:
        done(
            Row(
                item.source, item.name, error=f"{_LIVES} processes died at it, such as for want of memory", how=plan.how
            )
        )
    return []


@contextmanager
def _cluster(address: str, workers: int | None, cores: int) -> Iterator[Any]:
    """Ray, connected to a cluster."""
    try:
        import ray
    except ImportError as error:
        raise SettingsError("--engine ray needs Ray: pip install 'bigprior[ray]'") from error
    own: dict[str, Any] = {"address": address}
    if address == "local":
        own["num_cpus"] = None if workers is None else workers * cores
        own["include_dashboard"] = False
    try:
        ray.init(**own, log_to_driver=False, logging_level="error")
    except Exception as error:  # Ray has many, and raises plain ones too
        raise SettingsError(
            f"no Ray cluster at {address!r} ({_first_line(error)}): start one, or pass local"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
