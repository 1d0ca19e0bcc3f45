"""Writes that leave the old file or the new one."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bigprior.errors import OutputError
from bigprior.io.atomic import appearing, append_line, check_place, replacing, write_text


def test_the_new_file_takes_the_place_of_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "made" / "as well" / "a.txt"
    write_text(path, "old")
    write_text(path, "nöw")
    assert path.read_text(encoding="utf-8") == "nöw"
    assert os.listdir(path.parent) == ["a.txt"]


def test_the_temporary_file_is_in_the_same_folder_with_the_same_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.png") as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".png")


def test_the_result_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "")
    assert stat.S_IMODE((tmp_path / "atomic").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_full_disk_is_said_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(OutputError, match=r"cannot write .*a.txt: No space left"), replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), replacing(path):  # something else that is not there
        raise FileNotFoundError(errno.ENOENT, "No such file")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_lines_are_added(tmp_path: Path) -> None:
    for line in ("ä", "b"):
        append_line(tmp_path / "made" / "log", line)
    assert (tmp_path / "made" / "log").read_text(encoding="utf-8") == "ä\nb\n"
    with pytest.raises(OutputError, match="cannot write"):
        append_line(tmp_path / "made", "a folder")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_no_other(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half of the ne")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    script = (
        "import os, signal, sys\nfrom bigprior.io.atomic import replacing\nwith replacing(sys.argv[1]) as t:\n"
        "    t.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


@pytest.mark.parametrize("name", ["file/a.txt", "file/deeper/a.txt", "/proc/no/a.txt", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"cannot write {tmp_path / name}"):
        write_text(tmp_path / name, "new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_folder_appears_all_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "as well" / "out"
    with appearing(folder) as temporary:
        (temporary / "a.txt").write_text("a")
        assert not folder.exists()
    assert os.listdir(folder) == ["a.txt"] and os.listdir(folder.parent) == ["out"]
    (tmp_path / "usual").mkdir()
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_is_not_finished_is_gone_with_the_folders_made_for_it(tmp_path: Path, error) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error), appearing(tmp_path / "made" / "as well" / "out") as temporary:
        (temporary / "half").touch()
        raise error
    assert os.listdir(tmp_path) == []


def test_a_folder_with_files_stays_unless_they_can_go(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()  # an empty one is as good as none
    with appearing(folder) as temporary:
        (temporary / "old").touch()
    with pytest.raises(OutputError, match=f"cannot write {folder}"), appearing(folder) as temporary:
        (temporary / "new").touch()
    assert os.listdir(folder) == ["old"] and os.listdir(tmp_path) == ["out"]
    with appearing(folder, replace=True) as temporary:
        (temporary / "new").touch()
    assert os.listdir(folder) == ["new"] and os.listdir(tmp_path) == ["out"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    with appearing(tmp_path / "link") as temporary:
        (temporary / "a").touch()
    assert (tmp_path / "link").is_symlink() and os.listdir(tmp_path / "far") == ["a"]


def test_an_old_folder_comes_back_if_the_new_one_cannot_take_its_place(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    with appearing(tmp_path / "out") as temporary:
        (temporary / "old").touch()
    real = os.rename

    def second_fails(source: Path, target: Path) -> None:
        if "unfinished" in Path(source).name:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "rename", second_fails)
    with pytest.raises(OutputError, match="Input/output"), appearing(tmp_path / "out", replace=True):
        pass
    assert os.listdir(tmp_path) == ["out"] and os.listdir(tmp_path / "out") == ["old"]


KILLED = """
import os, signal, sys
from pathlib import Path
from bigprior.io import atomic
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
place = Path(sys.argv[1])
if sys.argv[2] == "file":
    with atomic.replacing(place / "a.txt") as t:
        die()
real = os.rename
def rename(source, target):
    real(source, target)
    if sys.argv[2] == "between":
        die()
os.rename = rename
with atomic.appearing(place / "out", replace=True) as t:
    (t / "new").touch()
    if sys.argv[2] == "folder":
        die()
"""


@pytest.mark.parametrize("when", ["file", "folder", "between"])
def test_what_a_killed_process_left_is_gone_after_the_next(tmp_path: Path, when: str) -> None:
    with appearing(tmp_path / "out") as temporary:
        (temporary / "old").touch()
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), when], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL and len(os.listdir(tmp_path)) > (when != "between")
    write_text(tmp_path / "next.txt", "")
    assert sorted(os.listdir(tmp_path)) == ["next.txt", "out"]
    assert os.listdir(tmp_path / "out") == ["old"]


def test_what_another_process_is_writing_is_no_leftover(tmp_path: Path) -> None:
    with appearing(tmp_path / "out") as unfinished, replacing(tmp_path / "a.txt") as temporary:
        (tmp_path / ".bigprior-notes").touch()  # nor is a file of the user's
        write_text(tmp_path / "b.txt", "")
        assert unfinished.is_dir() and temporary.is_file()
    assert sorted(os.listdir(tmp_path)) == [".bigprior-notes", "a.txt", "b.txt", "out"]


@pytest.mark.parametrize("name", ["file", "file/deeper", "/proc/no", "n" * 300, "."])
def test_a_folder_that_cannot_appear_is_refused_and_nothing_made(tmp_path: Path, monkeypatch, name: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    with pytest.raises(OutputError, match=r"pass another folder|cannot write|pass a folder inside"):
        check_place(Path(name) if name == "." else tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    check_place(tmp_path / "new" / "deeper")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
