"""The web console as a service of ``assist serve``, in its event loop. An idle console does not wake up."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from assist_cli.http.endpoint import HttpEndpoint
from assist_cli.http.listener import BACKLOG, Crowd, HttpConfig, HttpConnection, serving
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.server import console
from assist_cli.operations.server.background import background
from assist_cli.web.app import application
from assist_cli.web.visit import Site

THREADS = 8
HEAD_BYTES = 64 * 1024
CONNECTIONS = 512

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def service(place: HttpEndpoint, controller: Controller, controllers: Controllers) -> AsyncIterator[None]:
    """The console as a service of the server (operations.server), until the block ends.

    Raises Conflict if it cannot listen, FileFailure for a certificate, DatabaseFailure.
    """
    timeouts = controller.timeouts.api
    async with contextlib.AsyncExitStack() as stack:
        work = await stack.enter_async_context(background(controller))
        threads = stack.enter_context(ThreadPoolExecutor(THREADS, thread_name_prefix="console"))
        names = place.host_names()
        most = min(CONNECTIONS, concurrency.connections() // 4)
        site = Site(controllers, threads, names, work, timeouts)
        config = HttpConfig(
            application(site),
            http=HttpConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # a path has the token of a one-time link in it
            proxy_headers=True,  # of a proxy on this machine that ends TLS
            forwarded_allow_ips=["127.0.0.1", "::1"],
            server_header=False,
            ssl_certfile=place.certificate,
            ssl_keyfile=place.key,
            timeout_keep_alive=timeouts.idle,
            timeout_graceful_shutdown=timeouts.leave,
            backlog=min(BACKLOG, most + 1),  # enough descriptors for one step of accept()
        )
        config.head_bytes = HEAD_BYTES
        config.head = timeouts.head
        config.crowd = Crowd(most)
        port = await stack.enter_async_context(serving(place, config))
        stack.callback(site.ending.set)
        stack.enter_context(console.served_at(controller, place.local_url(port), place.public_url(port)))
        log.info("the console is at %s", place.url(port))
        yield
