"""Listening options of ``assist serve`` and ``assist service install``."""

from __future__ import annotations

import functools
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


class Listening(Group):
    """Options of the web console, the HTTP API and the metrics of a server."""

    web: Annotated[
        str | None, typer.Option("--web", metavar="ADDRESS:PORT", help="Serve the web console at this address.")
    ] = None
    web_certificate: Annotated[
        Path | None, typer.Option("--web-cert", metavar="FILE", help="Certificate of the console for HTTPS, as PEM.")
    ] = None
    web_key: Annotated[
        Path | None, typer.Option("--web-key", metavar="FILE", help="Private key of that certificate, as PEM.")
    ] = None
    web_names: Annotated[
        list[str] | None,
        typer.Option("--web-name", metavar="NAME", help="Host name that browsers use, as of a proxy."),
    ] = None

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
        if self.insecure and self.web is None and self.api is None and self.metrics is None:
            raise UsageError(
                "cannot use --insecure without --web, --api or --metrics",
                hint="add --metrics 0.0.0.0:9464, or one of the others",
            )
        return [*self._web(), *self._api(), *self._metrics()]

    def words(self) -> list[str]:
        """Return the same options for ``assist serve``, with absolute paths."""
        words = []
        for option, address, certificate, key, names in (
            ("--web", self.web, self.web_certificate, self.web_key, self.web_names),
            ("--api", self.api, self.certificate, self.key, self.names),
        ):
            words += [option, address] if address else []
            for suffix, path in (("cert", certificate), ("key", key)):
                words += [f"{option}-{suffix}", str(path.absolute())] if path else []
            for name in names or ():
                words += [f"{option}-name", name]
        words += ["--metrics", self.metrics] if self.metrics else []
        return [*words, "--insecure"] if self.insecure else words

    def _web(self) -> list[Service]:
        """Return the web console as a service of the server, if ``--web`` is given."""
        if self.web is None:
            _refuse_without("--web", 8321, self.web_certificate or self.web_key, self.web_names)
            return []
        try:
            from assist_cli.http import endpoint as http
            from assist_cli.web import server as console
        except ModuleNotFoundError as error:
            raise _not_installed("the web console", error, "web") from error
        place = http.place(
            self.web,
            self.web_certificate,
            self.web_key,
            insecure=self.insecure,
            names=tuple(self.web_names or ()),
            option="--web",
            port=8321,
        )
        if self.web_key is not None:
            options.warn_if_exposed(self.web_key)
        return [functools.partial(console.service, place)]

    def _api(self) -> list[Service]:
        """Return the HTTP API as a service of the server, if ``--api`` is given."""
        if self.api is None:
            _refuse_without("--api", 8320, self.certificate or self.key, self.names)
            return []
        try:
            from assist_cli.api import server
            from assist_cli.http import endpoint as http
        except ModuleNotFoundError as error:
            raise _not_installed("the API", error, "api") from error
        place = http.place(self.api, self.certificate, self.key, insecure=self.insecure, names=tuple(self.names or ()))
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


def _refuse_without(option: str, port: int, file: Path | None, names: list[str] | None) -> None:
    """Raise UsageError for options of a listener without its address."""
    if file or names:
        given = f"{option}-name" if names else f"{option}-cert and {option}-key"
        raise UsageError(f"cannot use {given} without {option}", hint=f"add {option} 127.0.0.1:{port}")


def _not_installed(what: str, error: ModuleNotFoundError, extra: str) -> LocalFailure:
    return LocalFailure(
        f"cannot serve {what}: the package {error.name} is not installed",
        hint=f"pip install 'assist-cli[{extra}]'",
        code=codes.EXTRA_NOT_INSTALLED,
    )
