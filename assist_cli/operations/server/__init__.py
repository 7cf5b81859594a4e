"""The server: it fires schedules, recovers open records and prunes the history."""
