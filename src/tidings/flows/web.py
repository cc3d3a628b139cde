"""The web child: the tracker on a socket that the supervisor opened.

It needs no store, save to look up where a short link leads, the pictures of messages whose files are gone, and codes that tills
redeem; while the store is away only those wait.
"""

from __future__ import annotations

import socket
from pathlib import Path

import uvicorn

from tidings.channels.protocol import Hooked
from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.flows.code_desk import CodeDesk
from tidings.flows.collecting import load_adapters
from tidings.flows.lazy_store import LazyStore
from tidings.flows.link_targets import LinkTargets
from tidings.flows.pictures import Pictures
from tidings.flows.supervisor import Say
from tidings.flows.web_guard import GuardedProtocol
from tidings.responses.group import GroupCommit
from tidings.responses.hooks import Hooks
from tidings.responses.spool import SpoolWriter, spool_folder
from tidings.responses.tracker import App, make_app
from tidings.tokens.api_keys import ApiKeys
from tidings.tokens.keyring import KeyRing


def _silent(_: str) -> None:
    """Say nothing."""


def run_web(settings: Settings, descriptor: int, *, clock: Clock, say: Say = _silent) -> None:
    """Serve the tracker on a listening socket until SIGTERM; `say` gets what an operator should know."""
    listening = socket.socket(fileno=descriptor)
    store = LazyStore(settings, clock)
    # A till waits for its turn to write; who follows a link must not wait for it.
    codes = LazyStore(settings, clock, busy_seconds=5.0)
    config = uvicorn.Config(
        tracker_of(settings, clock=clock, say=say, store=store, codes=codes),
        # Anybody can send what is no HTTP: a line for each would let strangers fill the log.
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="on",
        http=GuardedProtocol,
        ws="none",
        timeout_graceful_shutdown=2,
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        store.close()
        codes.close()


def tracker_of(
    settings: Settings,
    *,
    clock: Clock,
    say: Say = _silent,
    store: LazyStore | None = None,
    codes: LazyStore | None = None,
) -> App:
    """Return the tracker of a workspace in one of its environments.

    `store` looks up short links and the pictures of runs; without it short links wait, and pictures are those of templates/.
    `codes` redeems the codes of tills; without it there is no such API.
    """
    environment, workspace = settings.environment.name, settings.definitions.workspace
    folder = spool_folder(settings.data_dir, environment)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    spool = GroupCommit(SpoolWriter(folder, clock))
    return make_app(
        KeyRing.load(settings.data_dir, environment=environment),
        spool,
        clock=clock,
        title=workspace.title,
        events=settings.definitions.events,
        currency=workspace.currency,
        api_keys=ApiKeys.load(),
        hooks=Hooks(
            hooked_channels(settings, say), spool, clock=clock, public_url=workspace.public_url, say=say
        ),
        target_of=None if store is None else LinkTargets(store),
        desk=None if codes is None else CodeDesk(codes, settings.definitions, clock),
        picture_of=Pictures(Path(settings.definitions.root), store, clock),
    )


def hooked_channels(settings: Settings, say: Say) -> dict[str, Hooked]:
    """Return the adapters whose providers call POST /h/CHANNEL, by channel."""
    return {
        channel: adapter
        for channel, adapter in load_adapters(settings, say).items()
        if isinstance(adapter, Hooked)
    }
