"""How the source's docstrings become the site's: roles are links or code, and ``#:`` comments describe attributes."""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([\w.]+)`")


class Docstrings(griffe.Extension):
    """An extension of Griffe, which reads the source for mkdocstrings."""

    def on_attribute_instance(self, *, node: ast.AST | griffe.ObjectNode, attr: griffe.Attribute, **_: Any) -> None:
        """Take the ``#:`` comments above an attribute, or beside it, for its docstring."""
        if attr.docstring is not None or attr.lineno is None or not isinstance(node, ast.AST):
            return
        lines = attr.lines_collection[attr.filepath]
        said = list[str]()
        for line in reversed(lines[: attr.lineno - 1]):
            if not line.strip().startswith("#:"):
                break
            said.insert(0, line.strip().removeprefix("#:").strip())
        beside = lines[attr.lineno - 1].partition("#:")[2].strip()
        if text := " ".join(said) or beside:
            attr.docstring = griffe.Docstring(text, lineno=attr.lineno, parent=attr)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Roles become links to what the reference has, and code elsewhere."""
        exported = {str(name) for name in pkg.exports or ()}

        def shown(found: re.Match[str]) -> str:
            name = found[1].rpartition(".")[2]
            return f"[`{name}`][bigprior.{name}]" if name in exported else f"`{name}`"

        def mend(thing: griffe.Object) -> None:
            if thing.docstring is not None:
                thing.docstring.value = _ROLE.sub(shown, thing.docstring.value).replace("``", "`")
            for member in thing.members.values():
                if not member.is_alias:
                    mend(member)

        mend(pkg)
