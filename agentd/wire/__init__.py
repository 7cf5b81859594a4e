"""The modules that agent and controller share: the protocol, and TLS over memory. They open no connection."""
