"""The common ground of agent and controller, without input or output: the protocol, and TLS over memory."""
