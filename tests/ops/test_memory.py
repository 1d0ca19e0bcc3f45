"""What the allocator keeps of freed memory."""

import pytest

from bigprior.ops import memory


def test_memory_is_given_back_after_large_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(memory, "_trim", lambda: asked.append)
    memory.give_back(3 * 256 * 256)
    assert asked == []
    memory.give_back(3 * 1000 * 1000)
    assert asked == [0]
    monkeypatch.setattr(memory, "_trim", lambda: None)  # not on this system
    memory.give_back(3 * 1000 * 1000)


def test_only_linux_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    trim = memory._trim()
    assert trim is None or callable(trim)
    monkeypatch.setattr("sys.platform", "win32")
    memory._trim.cache_clear()
    assert memory._trim() is None
    memory._trim.cache_clear()
