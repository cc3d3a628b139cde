"""The workspace folder, its definitions, and the environment that a command works in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tidings.definitions.files import WORKSPACE_FILE
from tidings.definitions.kinds.rules import Environment
from tidings.definitions.loader import load, readable
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Problem, UsageError

DEVELOPMENT = "development"
ROOT_VARIABLE = "TIDINGS_WORKSPACE"
ENVIRONMENT_VARIABLE = "TIDINGS_ENVIRONMENT"
KEYS_VARIABLE = "TIDINGS_KEYS"
_STORE = re.compile(r"(sqlite:///|postgresql(\+\w+)?://)\S+\Z")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command needs to know before it opens anything.

    `store_url` is absolute: a relative SQLite path is taken from the workspace, not from where the command runs.
    `keys` are the texts of TIDINGS_KEYS (key id and key; the first signs), empty when it is not set. `problems` are the
    errors of files that were left out, for a command that asked to go on despite them; else there are none.
    """

    root: Path
    definitions: Definitions
    environment: Environment
    store_url: str
    data_dir: Path
    keys: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def broken(self) -> dict[str, Problem]:
        """The first problem of each file that was left out, by its path."""
        return {one.at.path: one for one in reversed(self.problems)}

    def __repr__(self) -> str:
        # The address of a store and the keys are secrets; nothing that prints settings may show them.
        return f"Settings(root={str(self.root)!r}, environment={self.environment.name!r})"


def find_root(start: Path | None = None, *, variables: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the workspace: TIDINGS_WORKSPACE, else the nearest folder with config/workspace.yaml.

    Raises UsageError when there is none.
    """
    named = (os.environ if variables is None else variables).get(ROOT_VARIABLE, "")
    if named and start is None:
        root = Path(named).expanduser().resolve()
        if not (root / WORKSPACE_FILE).is_file():
            raise UsageError(
                f"{ROOT_VARIABLE} names {root}, and there is no {WORKSPACE_FILE} in it",
                what_to_do=f"correct {ROOT_VARIABLE}, or unset it and run in the folder of the workspace",
            )
        return root
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / WORKSPACE_FILE).is_file():
            return folder
    raise UsageError(
        f"there is no workspace in {here} or above it (no {WORKSPACE_FILE})",
        what_to_do="go to a workspace, or start one with: tidings init FOLDER",
    )


def load_settings(
    root: Path | None = None,
    environment: str | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    despite_problems: bool = False,
    despite_workspace: bool = False,
) -> Settings:
    """Return the settings of a workspace in an environment.

    The environment is the one asked for, else TIDINGS_ENVIRONMENT, else development; production is therefore
    never meant by accident. `variables` stands in for the machine's environment in tests. With `despite_problems`
    broken files are left out and stand in `problems`; only config/workspace.yaml must be sound. With `despite_workspace`
    not even that: its `id` and `salt` are then empty where they cannot be read.
    Raises DefinitionErrors with every problem of the definitions, UsageError when the environment is unknown
    or its store is not named.
    """
    known = os.environ if variables is None else variables
    folder = find_root(root, variables=known)
    definitions, problems = (
        readable(folder, despite_workspace=despite_workspace)
        if despite_problems or despite_workspace
        else (load(folder), ())
    )
    name = environment or known.get(ENVIRONMENT_VARIABLE) or DEVELOPMENT
    own = [one for one in problems if one.at.path == WORKSPACE_FILE]
    if own and not any(one.name == name for one in definitions.workspace.environments):
        raise DefinitionErrors(own)
    chosen = _environment(definitions, name)
    return Settings(
        root=folder,
        definitions=definitions,
        environment=chosen,
        store_url=_store_url(chosen, folder, known),
        data_dir=folder / ".tidings",
        keys=tuple(part.strip() for part in known.get(KEYS_VARIABLE, "").split(",") if part.strip()),
        problems=problems,
    )


def _environment(definitions: Definitions, name: str) -> Environment:
    environments = definitions.workspace.environments
    found = next((one for one in environments if one.name == name), None)
    if found is not None:
        return found
    names = [one.name for one in environments]
    near = get_close_matches(name, names, n=1)
    raise UsageError(
        f'there is no environment "{name}" in {WORKSPACE_FILE}',
        what_to_do=f'did you mean "{near[0]}"?' if near else f"there is {', '.join(names)}",
    )


def _store_url(environment: Environment, root: Path, variables: Mapping[str, str]) -> str:
    url = environment.store
    if environment.store_from:
        url = variables.get(environment.store_from, "").strip()
        if not url:
            raise UsageError(
                f"the environment {environment.name} keeps its store in the variable {environment.store_from}, "
                "which is not set",
                what_to_do=f"export {environment.store_from}=postgresql://USER:PASSWORD@HOST/DATABASE",
            )
        # The value is never repeated: it holds a password.
        if not _STORE.match(url):
            raise UsageError(
                f"the variable {environment.store_from} does not hold the address of a store",
                what_to_do="write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE",
            )
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///")).expanduser()
        return f"sqlite:///{path if path.is_absolute() else root / path}"
    return url
