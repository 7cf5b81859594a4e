"""The common ground of agent and controller: the protocol, and TLS over memory. Nothing here opens a connection."""
