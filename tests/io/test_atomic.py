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
from bigprior.io.atomic import append_line, replacing, write_text


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
