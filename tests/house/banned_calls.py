"""What no module may do: ask the machine for the time beside clock.py, let a database ask for it, or unpickle."""

from __future__ import annotations

import ast
from collections.abc import Iterator

# Ends of dotted names, after aliases of imports are undone.
TIME = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("time.time", "time.time_ns", "time.gmtime", "time.localtime", "time.ctime", "time.asctime"),
    *("func.now", "func.current_timestamp", "func.current_time", "func.current_date"),
    *("func.localtime", "func.localtimestamp"),
}
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}


def banned(source: str, *, may_ask_the_time: bool = False) -> list[str]:
    """Return `line: what` for each banned thing in a module's text; `may_ask_the_time` is for clock.py alone."""
    tree = ast.parse(source)
    names = dict(_imported(tree))
    found = [(line, f"uses {what}") for line, what in _unpickling(tree, names)]
    if not may_ask_the_time:
        found += [(line, f"asks for the time: {what}") for line, what in _asking(tree, names)]
    return [f"{line}: {what}" for line, what in sorted(set(found))]


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each name that an import makes, and what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}"


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """Return the full name of an expression like `dt.datetime.now`, or an empty text."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    if isinstance(node, ast.Call) and _dotted(node.func, names) == "getattr" and len(node.args) > 1:
        return f"{_dotted(node.args[0], names)}.{_text(node.args[1])}"
    return ""


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _ends_in(dotted: str, endings: set[str]) -> bool:
    return ".".join(dotted.split(".")[-2:]) in endings


def _asking(tree: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if _ends_in(f"{node.module}.{alias.name}", TIME):
                    yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute | ast.Call):
            dotted = _dotted(node, names)
            if _ends_in(dotted, TIME):
                yield node.lineno, dotted
        elif isinstance(node, ast.Constant) and "CURRENT_TIMESTAMP" in _text(node).upper():
            yield node.lineno, "CURRENT_TIMESTAMP"


def _unpickling(tree: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Call) and _dotted(node.func, names).split(".")[-1] in (
            "__import__",
            "import_module",
        ):
            modules = [_text(word) for word in [*node.args, *(one.value for one in node.keywords)]]
        elif isinstance(node, ast.Attribute | ast.Name) and _dotted(node, names).endswith(".PickleType"):
            modules = ["pickle"]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            modules = ["pickle"] if getattr(node.value, "value", True) else []
        for module in modules:
            if module.split(".")[0] in PICKLES:
                yield getattr(node, "lineno", 0), module
