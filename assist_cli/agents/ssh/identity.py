"""Authenticate the user: with keys from files and from the SSH agent, or with a password that a person types.

The order is that of ssh(1): named keys, keys of the SSH agent, the usual files. A file locked by a passphrase works if
the SSH agent has its key. As in ssh, a file of this user that others can read is not used.
"""

from __future__ import annotations

import base64
import contextlib
import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assist_cli.agents.ssh import tokens
from assist_cli.agents.ssh.config import Settings
from assist_cli.errors import ClientAuthFailed
from assist_cli.paths import is_exposed

if TYPE_CHECKING:
    import paramiko

PASSWORD_ATTEMPTS = 3
_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")

Ask = Callable[[str], str]


class Identity:
    """The ways to authenticate a user to one sshd. ``words`` are the arguments of an ssh command to it, for hints."""

    def __init__(self, settings: Settings, words: list[str], ask: Ask | None) -> None:
        self._settings = settings
        self._words = words
        self._ask = ask
        self._tried: list[str] = []
        self._locked: list[Path] = []
        self._exposed: list[Path] = []
        self._unusable: list[str] = []

    @property
    def _place(self) -> str:
        return self._words[-1]

    def prove(self, transport: paramiko.Transport) -> str:
        """Log in by the first method that is accepted, and return its name. Raises ClientAuthFailed."""
        import paramiko

        why = ""
        try:
            return self._by_key(transport) or self._otherwise(transport)
        except paramiko.BadAuthenticationType as error:
            why = f"it accepts {' or '.join(error.allowed_types) or 'nothing'}"
        except paramiko.AuthenticationException:
            why = "the password is wrong" if self._ask else ""
        except (paramiko.SSHException, OSError, EOFError) as error:
            why = str(error) or type(error).__name__
        raise self._refusal(why)

    def _by_key(self, transport: paramiko.Transport) -> str | None:
        import paramiko

        for name, key in self._keys():
            self._tried.append(name)
            try:
                further = transport.auth_publickey(self._settings.user, key)
            except paramiko.BadAuthenticationType:
                return None
            except paramiko.AuthenticationException:
                if transport.is_active():
                    continue
                raise self._refusal("it allows no more attempts") from None
            if not further:
                return name
            raise self._refusal(f"it also requires {' or '.join(further)}, after the key {name}")
        return None

    def _otherwise(self, transport: paramiko.Transport) -> str:
        """Try the method "none" to learn which are accepted. Ask a person only if a password is."""
        import paramiko

        try:
            transport.auth_none(self._settings.user)
        except paramiko.BadAuthenticationType as error:
            if self._ask is None or not {"password", "keyboard-interactive"} & set(error.allowed_types):
                raise
            return self._by_password(transport, self._ask)
        return "nothing"

    def _by_password(self, transport: paramiko.Transport, ask: Ask) -> str:
        import paramiko

        prompt = f"Password of {self._place}: "
        for attempt in range(1, PASSWORD_ATTEMPTS + 1):
            try:
                transport.auth_password(self._settings.user, ask(prompt))
                break
            except paramiko.BadAuthenticationType:
                raise
            except paramiko.AuthenticationException:
                if attempt == PASSWORD_ATTEMPTS or not transport.is_active():
                    raise
                prompt = f"Permission denied for {self._place}; password: "
        return "password"

    def _keys(self) -> Iterator[tuple[str, paramiko.PKey]]:
        named = self._settings.identities
        with _ssh_agent(self._settings.agent) as agent:
            held = {key.asbytes(): key for key in agent.get_keys()}
            for file in named or ():
                yield from self._key_of(file, held)
            if not self._settings.identities_only:
                for key in list(held.values()):
                    yield f"{key.comment or key.get_name()} of the SSH agent", key
            if named is None:
                for name in _USUAL:
                    yield from self._key_of(Path(tokens.home(), ".ssh", name), held)

    def _key_of(self, file: Path, held: dict[bytes, paramiko.AgentKey]) -> Iterator[tuple[str, paramiko.PKey]]:
        """Return the key of a file: from the SSH agent if it has it, for which the public half is enough."""
        import paramiko

        with contextlib.suppress(OSError, ValueError, IndexError):
            public = base64.b64decode(file.with_name(f"{file.name}.pub").read_bytes().split()[1])
            if public in held:
                yield str(file), held.pop(public)
                return
        if is_exposed(file):
            self._exposed.append(file)
            return
        try:
            yield str(file), paramiko.PKey.from_path(file)
        except (TypeError, paramiko.PasswordRequiredException):  # cryptography raises TypeError for a locked key
            self._locked.append(file)
        except (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
            if file in (self._settings.identities or ()):
                self._unusable.append(f"{file} cannot be used ({getattr(error, 'strerror', None) or error})")

    def _refusal(self, why: str) -> ClientAuthFailed:
        told = [
            f"none of these keys is accepted: {', '.join(self._tried)}" if self._tried else "there is no key to try"
        ]
        told += [why] if why else []
        told += [f"locked by a passphrase: {', '.join(map(str, self._locked))}"] if self._locked else []
        told += [f"not used, because others can read it: {', '.join(map(str, self._exposed))}"] if self._exposed else []
        told += self._unusable
        if self._exposed:
            hint = f"make the key private: {shlex.join(['chmod', '600', *map(str, self._exposed)])}"
        elif self._locked:
            hint = f"unlock the key: {shlex.join(['ssh-add', str(self._locked[0])])}"
        elif self._unusable and not self._tried:
            hint = "give the file of a private key: --identity FILE, identity=FILE in the address, or IdentityFile"
        else:
            hint = f"give it your key: {shlex.join(['ssh-copy-id', *self._words])}"
        return ClientAuthFailed(f"cannot log in to '{self._place}': {'; '.join(told)}", hint=hint)


@contextlib.contextmanager
def _ssh_agent(path: str | None) -> Iterator[paramiko.agent.AgentSSH]:
    """Return the SSH agent at this socket; without a socket, an agent without keys."""
    from paramiko.agent import AgentSSH

    agent = AgentSSH()  # paramiko.Agent only uses SSH_AUTH_SOCK
    try:
        if path is not None:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(path)
            except OSError:
                link.close()
            else:
                agent._connect(link)
        yield agent
    finally:
        agent._close()
