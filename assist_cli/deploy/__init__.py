"""Installation of agents, their certificates, and the systemd units."""
