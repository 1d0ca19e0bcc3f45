"""``bigprior batch``: of any task, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bigprior.cli.batches import Cluster
from bigprior.cli.options import Choices, FrameName, GrainName, Photos, Rho, Strength, pairs, value_of, with_choices
from bigprior.cli.restoring import restore_photos


@with_choices
def batch(
    task: Annotated[str, typer.Argument(help="A registered degradation by its name, or as its command is called.")],
    photos: Photos,
    how: Choices,
    engine: Annotated[str, typer.Option(help="local: this process; ray: a cluster (extra `ray`).")] = "local",
    address: Annotated[
        str, typer.Option(help="Of a Ray cluster: auto, this machine's; local, one made of this machine; or HOST:PORT.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(help="So many processes of the cluster; by default as there are cores for.")
    ] = None,
    cores: Annotated[int, typer.Option(help="Of each process.")] = 1,
    shards: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|URL",
            help="In place of -o: a WebDataset, tar files with restored picture, phi of 16 bits (1 - phi weighs a "
            "loss) and record of each.",
        ),
    ] = None,
    per_shard: Annotated[int, typer.Option(help="So many pictures in each of these tar files.")] = 1000,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE: a setting of the degradation; may be repeated.")
    ] = None,
    each: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=FOLDER: a setting that is a file of each picture's name, such as mask=masks; may be repeated."
        ),
    ] = None,
    rho: Rho = None,
    frame: FrameName = None,
    strength: Strength = 1.0,
    grain: GrainName = None,
) -> None:
    """Restore many pictures: files, folders, patterns or URLs (s3://, gs://), here or on a Ray cluster."""
    given: dict[str, Any] = {name: value_of(text) for name, text in pairs("set", settings, "KEY=VALUE")}
    given |= {name: Path(text) for name, text in pairs("each", each, "KEY=FOLDER")}

    def settings_of(photo: Path) -> Mapping[str, Any]:
        return given

    if shards is not None:
        how = how.to(shards)
    cluster = Cluster(engine, address, workers, cores, None if shards is None else per_shard)
    fused: dict[str, Any] = {"rho": rho, "frame": frame, "strength": strength, "grain": grain}
    restore_photos(task, photos, how, settings_of, cluster=cluster, **fused)
