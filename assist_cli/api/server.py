"""The API as a service of ``assist serve``.

A signature protects a call from changes and replays, but anybody on a network with plain HTTP can read it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from assist_cli.api.app import HEAD_BYTES, Application
from assist_cli.api.connections import CONNECTIONS, ApiConfig, ApiConnection, ApiCrowd
from assist_cli.api.gateway import Gateway
from assist_cli.http.endpoint import HttpEndpoint
from assist_cli.http.listener import BACKLOG, serving
from assist_cli.http.rates import Rates
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.server.background import background
from assist_cli.paths import region
from assist_cli.store.nonces import Nonces

PER_SECOND = 250.0  # calls of a key
READERS = 2  # threads for reads that may take long; more of them would compete for the interpreter
WAITERS = 16  # threads for calls that wait for the disk, or for agents

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def service(place: HttpEndpoint, controller: Controller, controllers: Controllers) -> AsyncIterator[None]:
    """The API as a service of the server (operations.server), in its event loop until the block ends.

    Raises Conflict if it cannot listen, FileFailure for a certificate, DatabaseFailure.
    """
    timeouts = controller.timeouts
    async with contextlib.AsyncExitStack() as stack:
        work = await stack.enter_async_context(background(controller))
        nonces = Nonces(controller.home.nonces)
        stack.callback(nonces.close)
        readers = stack.enter_context(ThreadPoolExecutor(READERS, thread_name_prefix="reader"))
        waiters = stack.enter_context(ThreadPoolExecutor(WAITERS, thread_name_prefix="waiter"))
        gateway = Gateway(controllers, region(), nonces, work, Rates(PER_SECOND))
        half = concurrency.connections() // 2  # the other half is for agents
        config = ApiConfig(
            Application(gateway, readers, waiters, place.host_names()),
            http=ApiConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # a URL has the script in it
            proxy_headers=False,
            server_header=False,
            ssl_certfile=place.certificate,
            ssl_keyfile=place.key,
            timeout_keep_alive=timeouts.api.idle,
            timeout_graceful_shutdown=timeouts.api.leave,
            backlog=min(BACKLOG, half // 2 + 1),  # enough descriptors for one step of accept()
        )
        config.head_bytes = HEAD_BYTES
        config.head = timeouts.api.head
        config.body = timeouts.api.body
        config.crowd = ApiCrowd(min(CONNECTIONS, half), gateway.refuse_connection)
        port = await stack.enter_async_context(serving(place, config))
        log.info("the API is at %s", place.url(port))
        yield
