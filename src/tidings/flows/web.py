"""The web child: the tracker on a socket that the supervisor opened. It needs no store."""

from __future__ import annotations

import socket

import uvicorn

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.responses.group import GroupCommit
from tidings.responses.spool import SpoolWriter, spool_folder
from tidings.responses.tracker import App, make_app
from tidings.tokens.api_keys import ApiKeys
from tidings.tokens.keyring import KeyRing


def run_web(settings: Settings, descriptor: int, *, clock: Clock) -> None:
    """Serve the tracker on a listening socket until SIGTERM."""
    listening = socket.socket(fileno=descriptor)
    config = uvicorn.Config(
        tracker_of(settings, clock=clock),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listening])


def tracker_of(settings: Settings, *, clock: Clock) -> App:
    """Return the tracker of a workspace in one of its environments."""
    environment, workspace = settings.environment.name, settings.definitions.workspace
    folder = spool_folder(settings.data_dir, environment)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return make_app(
        KeyRing.load(settings.data_dir, environment=environment),
        GroupCommit(SpoolWriter(folder, clock)),
        clock=clock,
        title=workspace.title,
        events=settings.definitions.events,
        currency=workspace.currency,
        api_keys=ApiKeys.load(),
    )
