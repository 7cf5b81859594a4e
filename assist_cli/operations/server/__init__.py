"""The server: it fires schedules, recovers open records and keeps the history small."""
