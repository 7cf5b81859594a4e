"""Listening options of ``assist serve`` and ``assist service install``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli import codes
from assist_cli.cli import options
from assist_cli.cli.typer_classes import Group
from assist_cli.errors import InvalidParameter, LocalFailure, UsageError
from assist_cli.model import endpoint

if TYPE_CHECKING:
    from assist_cli.operations.server.server import Service


@dataclass(frozen=True)
class Listening(Group):
    """Options of the HTTP API and the metrics of a server."""

    api: Annotated[
        str | None, typer.Option("--api", metavar="ADDRESS:PORT", help="Serve the HTTP API at this address.")
    ] = None
    certificate: Annotated[
        Path | None, typer.Option("--api-cert", metavar="FILE", help="Certificate of the API for HTTPS, as PEM.")
    ] = None
    key: Annotated[
        Path | None, typer.Option("--api-key", metavar="FILE", help="Private key of the certificate, as PEM.")
    ] = None
    names: Annotated[
        list[str] | None,
        typer.Option("--api-name", metavar="NAME", help="Host name that clients use, as of a proxy."),
    ] = None
    insecure: Annotated[bool, typer.Option("--insecure", help="Allow plain HTTP on a network; others can read it.")] = (
        False
    )
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="ADDRESS:PORT", help="Serve metrics for Prometheus, at /metrics.")
    ] = None

    def services(self) -> list[Service]:
        """Return the services of the options, checked. Raises UsageError, InvalidParameter, LocalFailure."""
        if self.insecure and self.api is None and self.metrics is None:
            raise UsageError(
                "cannot use --insecure without --api or --metrics", hint="add --metrics 0.0.0.0:9464, or --api"
            )
        return [*self._api(), *self._metrics()]

    def words(self) -> list[str]:
        """Return the same options for ``assist serve``, with absolute paths."""
        words = ["--api", self.api] if self.api else []
        for option, path in (("--api-cert", self.certificate), ("--api-key", self.key)):
            words += [option, str(path.absolute())] if path else []
        for name in self.names or ():
            words += ["--api-name", name]
        words += ["--metrics", self.metrics] if self.metrics else []
        return [*words, "--insecure"] if self.insecure else words

    def _api(self) -> list[Service]:
        """Return the HTTP API as a service of the server, if ``--api`` is given."""
        if self.api is None:
            if self.certificate or self.key or self.names:
                given = "--api-name" if self.names else "--api-cert and --api-key"
                raise UsageError(f"cannot use {given} without --api", hint="add --api 127.0.0.1:8320")
            return []
        try:
            from assist_cli.api import server
        except ModuleNotFoundError as error:
            raise _not_installed("the API", error, "api") from error
        place = server.place(
            self.api, self.certificate, self.key, insecure=self.insecure, names=tuple(self.names or ())
        )
        if self.key is not None:
            options.warn_if_exposed(self.key)
        return [functools.partial(server.service, place)]

    def _metrics(self) -> list[Service]:
        """Return the metrics as a service of the server, if ``--metrics`` is given."""
        if self.metrics is None:
            return []
        host, port = endpoint.parse(self.metrics, "--metrics 127.0.0.1:9464")
        if not self.insecure and not endpoint.is_loopback(host):
            raise InvalidParameter(
                f"cannot serve metrics at {self.metrics!r}: anybody on that network could read the names of instances",
                hint="use 127.0.0.1 and a proxy; or --insecure, in a trusted network",
                code=codes.PLAIN_HTTP_REFUSED,
            )
        try:
            from assist_cli.operations.observe import metrics
        except ModuleNotFoundError as error:
            raise _not_installed("metrics", error, "metrics") from error
        return [functools.partial(metrics.service, host, port)]


def _not_installed(what: str, error: ModuleNotFoundError, extra: str) -> LocalFailure:
    return LocalFailure(
        f"cannot serve {what}: the package {error.name} is not installed",
        hint=f"pip install 'assist-cli[{extra}]'",
        code=codes.EXTRA_NOT_INSTALLED,
    )
