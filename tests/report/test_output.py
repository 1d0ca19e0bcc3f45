"""What is written, where, and that nothing is lost by it."""

from pathlib import Path

import pytest

from bigprior.errors import OutputError, SettingsError
from bigprior.io.containers import CONTAINERS
from bigprior.report.output import CONTAINERS_OF_LAYERS, Output, check_folder


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"only": ("restored", "ph")}, "only is 'ph': expected restored, fidelity, prior, phi, heatmap, panel"),
        ({"only": ()}, "nothing to write"),
        ({"format": "gif"}, "format is 'gif': expected png"),
        ({"layers": "double"}, "layers is 'double': expected none, half, float"),
    ],
)
def test_names_that_say_nothing(wrong, said):
    with pytest.raises(SettingsError, match=said):
        Output(**wrong)


def test_the_format_is_the_photos_own_if_it_keeps_every_bit():
    suffixes = {".png": ".png", ".TIF": ".tif", ".tiff": ".tiff", ".jpg": ".png", ".webp": ".png"}
    assert {photo: Output().suffix(photo) for photo in suffixes} == suffixes
    assert Output().bits(".tif", 16) == 16 and Output(format="jpg").bits(".tif", 16) == 8


def test_what_a_format_does_not_hold():
    photo = Path("a.png")
    for format, size, has_alpha, said in (
        ("webp", (20000, 5), False, "larger than webp can be, 16383 pixels"),
        ("jpg", (5, 70000), False, "larger than jpg can be"),
        ("jpeg", (5, 5), True, "has alpha, which jpg does not hold"),
    ):
        with pytest.raises(SettingsError, match=said):
            Output(format=format).check(photo, size, has_alpha)
    Output(format="jpg", only=("phi",)).check(photo, (5, 5), True)
    Output(format="webp").check(photo, (5, 5), True)
    Output().check(photo, (5, 70000), True)


def results(folder, *others):
    folder.mkdir()
    (folder / "restoration.json").write_text('{"files": ["restored.png", "restoration.json"]}')
    for name in ("restored.png", *others):
        (folder / name).touch()
    return folder


def test_a_folder_of_results_is_replaced_only_if_it_can_go(tmp_path):
    out = results(tmp_path / "out")
    with pytest.raises(OutputError, match="holds results already: pass another folder, or --overwrite"):
        check_folder(out)
    check_folder(out, overwrite=True, reads=[tmp_path / "photo.png"])


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_is_no_result_or_is_read_is_never_lost(tmp_path, overwrite, monkeypatch):
    with pytest.raises(OutputError, match=r"holds notes\.txt, which is no result of ours"):
        check_folder(results(tmp_path / "out", "notes.txt"), overwrite=overwrite)
    same = results(tmp_path / "same")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.png").symlink_to(same / "restored.png")
    for photo in ("same/restored.png", "link.png", same / "restored.png"):
        with pytest.raises(OutputError, match="where the results would go: pass another folder"):
            check_folder(same, overwrite=overwrite, reads=[Path(photo)])
    (tmp_path / "strange").mkdir()
    for record in ("{", "[]", '{"files": 3}', "{}"):
        (tmp_path / "strange" / "restoration.json").write_text(record)
        with pytest.raises(OutputError, match="no result of ours"):
            check_folder(tmp_path / "strange", overwrite=overwrite)


def test_the_command_line_knows_every_container_by_its_file() -> None:
    kinds = {name: f"layers{kind.suffix}" for name, kind in CONTAINERS.items()}
    assert {"tiff": "layers.tif"} | kinds == CONTAINERS_OF_LAYERS
