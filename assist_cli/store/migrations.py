"""The schema as numbered steps. A step that was released is never edited; the next change is a new step.

``database.SCHEMA_VERSION`` is the number of the last one. This module is imported only when a step is due.

The three levels of status are stored side by side (records, invocation_instances, invocations) and changed in one
transaction. An invocation carries what ran and how, so that the history stays whole whatever becomes of the command.
"""

from __future__ import annotations

import secrets
import sqlite3

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("assist")


def apply(connection: sqlite3.Connection) -> None:
    """Take every step that is due, inside the transaction that the caller has open."""
    MIGRATIONS.apply(Database(connection, execute_plugins=False))


@MIGRATIONS(name="0001_run")
def _run(database: Database) -> None:
    """Instances, and what was run on them."""
    for statement in (
        """
        CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        )
        """,
        "CREATE UNIQUE INDEX instances_name ON instances (name) WHERE removed_at IS NULL",
        """
        CREATE TABLE invocations (
            id TEXT PRIMARY KEY,
            status TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            finished_at INTEGER,
            command_id TEXT NOT NULL,
            command_name TEXT,
            command_version INTEGER,
            command_type TEXT NOT NULL,
            repeat_mode TEXT NOT NULL,
            frequency TEXT,
            timeout INTEGER NOT NULL,
            working_dir TEXT,
            username TEXT,
            keep_script INTEGER NOT NULL,
            parameters TEXT NOT NULL,
            content BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE invocation_instances (
            invocation_id TEXT NOT NULL REFERENCES invocations (id) ON DELETE CASCADE,
            instance_id TEXT NOT NULL REFERENCES instances (id),
            position INTEGER NOT NULL,
            instance_name TEXT NOT NULL,
            status TEXT NOT NULL,
            exit_code INTEGER,
            repeats INTEGER NOT NULL,
            PRIMARY KEY (invocation_id, instance_id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE records (
            id TEXT PRIMARY KEY,
            invocation_id TEXT NOT NULL,
            instance_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            status TEXT NOT NULL,
            exit_code INTEGER,
            error_code TEXT NOT NULL DEFAULT '',
            error_info TEXT NOT NULL DEFAULT '',
            sender TEXT NOT NULL,
            deadline_at INTEGER NOT NULL,
            sent_at INTEGER,
            started_at INTEGER,
            finished_at INTEGER,
            stopped_at INTEGER,
            UNIQUE (invocation_id, instance_id, number),
            FOREIGN KEY (invocation_id, instance_id) REFERENCES invocation_instances ON DELETE CASCADE
        )
        """,
        "CREATE INDEX records_open ON records (invocation_id) WHERE status IN ('Running', 'Stopping')",
        """
        CREATE TABLE outputs (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        )
        """,
    ):
        database.execute(statement)
    # Agents know their controller by this name, and it does not tell anything about the machine.
    database.execute("INSERT INTO settings VALUES ('controller', ?)", [secrets.token_hex(16)])


@MIGRATIONS(name="0002_commands")
def _commands(database: Database) -> None:
    """Saved commands, and the audit log, which only grows."""
    for statement in (
        """
        CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE command_versions (
            command_id TEXT NOT NULL REFERENCES commands (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            type TEXT NOT NULL,
            working_dir TEXT,
            timeout INTEGER NOT NULL,
            parameters_enabled INTEGER NOT NULL,
            definitions TEXT NOT NULL,
            content BLOB NOT NULL,
            UNIQUE (command_id, number)
        )
        """,
        """
        CREATE VIEW command_states AS
        SELECT commands.id, name, description, commands.created_at, modified_at, latest, invocations, number,
            version.created_at AS version_at, type, working_dir, timeout, parameters_enabled, definitions, content
        FROM commands JOIN command_versions AS version ON version.command_id = commands.id
        """,
        "ALTER TABLE invocations ADD COLUMN parameters_enabled INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX invocations_command ON invocations (command_id)",
        """
        CREATE TABLE audit (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            login TEXT NOT NULL,
            uid INTEGER,
            origin TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            detail TEXT NOT NULL,
            outcome TEXT NOT NULL
        )
        """,
        "CREATE INDEX audit_at ON audit (at)",
        """
        CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id)
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be replaced'); END
        """,
        """
        CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be changed'); END
        """,
        """
        CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be deleted'); END
        """,
    ):
        database.execute(statement)


@MIGRATIONS(name="0003_fleet")
def _fleet(database: Database) -> None:
    """Instances have tags, and are heard of."""
    for statement in (
        "ALTER TABLE instances ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE instances ADD COLUMN heard_at INTEGER",
        "CREATE INDEX records_instance ON records (instance_id)",
    ):
        database.execute(statement)


@MIGRATIONS(name="0004_access")
def _access(database: Database) -> None:
    """Who may call the API, and what clients say of what they make there: labels, and tokens against doing it twice."""
    for statement in (
        """
        CREATE TABLE access_keys (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            secret TEXT NOT NULL,
            role TEXT NOT NULL,
            scope TEXT NOT NULL,
            enabled INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            used_at INTEGER
        )
        """,
        """
        CREATE TABLE labels (
            subject TEXT PRIMARY KEY,
            access_key TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            tags TEXT NOT NULL
        )
        """,
        "CREATE INDEX labels_access_key ON labels (access_key)",
        """
        CREATE TABLE client_tokens (
            access_key TEXT NOT NULL,
            token TEXT NOT NULL,
            request BLOB NOT NULL,
            subject TEXT NOT NULL,
            made_at INTEGER NOT NULL,
            PRIMARY KEY (access_key, token)
        )
        """,
        "CREATE INDEX client_tokens_made ON client_tokens (made_at)",
        """
        CREATE TRIGGER labels_of_invocation AFTER DELETE ON invocations
        BEGIN DELETE FROM labels WHERE subject = old.id; END
        """,
        """
        CREATE TRIGGER labels_of_command AFTER DELETE ON commands
        BEGIN DELETE FROM labels WHERE subject = old.id; END
        """,
    ):
        database.execute(statement)


@MIGRATIONS(name="0005_transfers")
def _transfers(database: Database) -> None:
    """Files that are sent: invocations without a command, and never their content."""
    database.execute(
        """
        CREATE TABLE transfers (
            invocation_id TEXT PRIMARY KEY REFERENCES invocations (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            directory TEXT NOT NULL,
            size INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            mode TEXT NOT NULL,
            owner TEXT,
            group_name TEXT,
            overwrite INTEGER NOT NULL
        ) WITHOUT ROWID
        """
    )


@MIGRATIONS(name="0006_history")
def _history(database: Database) -> None:
    """A long history is quick to list by any filter, is searched, and can be pruned.

    An index of words refers to its texts by number; so these have numbers that are never given twice, and that no
    VACUUM changes. The indexes of words are filled by ``search``, not by what writes the texts.
    """
    for statement in (
        """
        CREATE TABLE numbered (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            status TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            finished_at INTEGER,
            command_id TEXT NOT NULL,
            command_name TEXT,
            command_version INTEGER,
            command_type TEXT NOT NULL,
            repeat_mode TEXT NOT NULL,
            frequency TEXT,
            timeout INTEGER NOT NULL,
            working_dir TEXT,
            username TEXT,
            keep_script INTEGER NOT NULL,
            parameters TEXT NOT NULL,
            content BLOB NOT NULL,
            parameters_enabled INTEGER NOT NULL DEFAULT 0
        )
        """,
        """
        INSERT INTO numbered (id, status, created_at, finished_at, command_id, command_name, command_version,
            command_type, repeat_mode, frequency, timeout, working_dir, username, keep_script, parameters, content,
            parameters_enabled)
        SELECT id, status, created_at, finished_at, command_id, command_name, command_version, command_type,
            repeat_mode, frequency, timeout, working_dir, username, keep_script, parameters, content,
            parameters_enabled
        FROM invocations ORDER BY id
        """,
        "DROP TABLE invocations",
        "ALTER TABLE numbered RENAME TO invocations",
        """
        CREATE TRIGGER labels_of_invocation AFTER DELETE ON invocations
        BEGIN DELETE FROM labels WHERE subject = old.id; END
        """,
        "CREATE INDEX invocations_status ON invocations (status, id)",
        "CREATE INDEX invocations_command ON invocations (command_id, id)",
        "CREATE INDEX invocations_command_name ON invocations (command_name, id) WHERE command_name IS NOT NULL",
        "CREATE INDEX invocations_periodic ON invocations (id) WHERE repeat_mode = 'Period'",
        "CREATE INDEX invocations_finished ON invocations (finished_at)",
        "DROP INDEX records_instance",
        "CREATE INDEX records_instance ON records (instance_id, invocation_id)",
        """
        CREATE TABLE numbered (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            record_id TEXT NOT NULL UNIQUE REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        )
        """,
        """
        INSERT INTO numbered (record_id, runs, cut, dropped, data)
        SELECT record_id, runs, cut, dropped, data FROM outputs ORDER BY record_id
        """,
        "DROP TABLE outputs",
        "ALTER TABLE numbered RENAME TO outputs",
        """
        CREATE VIEW invocation_texts AS
        SELECT number, id, created_at, command_name, content, (
            SELECT group_concat(instance_name, ' ') FROM (
                SELECT instance_name FROM invocation_instances WHERE invocation_id = invocations.id ORDER BY position
            )
        ) AS instance_names
        FROM invocations
        """,
        """
        CREATE VIRTUAL TABLE invocation_words
        USING fts5(command_name, content, instance_names, content='invocation_texts', content_rowid='number')
        """,
        "CREATE VIRTUAL TABLE output_words USING fts5(data, content='outputs', content_rowid='number')",
    ):
        database.execute(statement)


@MIGRATIONS(name="0007_schedules")
def _schedules(database: Database) -> None:
    """What runs again or later, what became of each due time, and who serves.

    ``revision`` counts the changes that people make, so that a server reads no more than those. A slot with
    ``until_at`` stands for all due times from ``due_at`` until before that.
    """
    for statement in (
        """
        CREATE TABLE schedules (
            invocation_id TEXT PRIMARY KEY REFERENCES invocations (id) ON DELETE CASCADE,
            frequency TEXT NOT NULL,
            timezone TEXT,
            anchor_at INTEGER NOT NULL,
            next_at INTEGER,
            last_at INTEGER,
            jitter_ms INTEGER NOT NULL,
            missed TEXT NOT NULL,
            keep INTEGER NOT NULL,
            paused_at INTEGER,
            secrets TEXT NOT NULL,
            revision INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX schedules_revision ON schedules (revision)",
        """
        CREATE TABLE slots (
            number INTEGER PRIMARY KEY,
            invocation_id TEXT NOT NULL,
            instance_id TEXT NOT NULL,
            due_at INTEGER NOT NULL,
            until_at INTEGER,
            outcome TEXT NOT NULL,
            made_up INTEGER NOT NULL DEFAULT 0,
            lateness_ms INTEGER,
            record_id TEXT,
            FOREIGN KEY (invocation_id, instance_id) REFERENCES invocation_instances ON DELETE CASCADE
        )
        """,
        "CREATE INDEX slots_place ON slots (invocation_id, instance_id)",
        "CREATE INDEX slots_record ON slots (record_id) WHERE record_id IS NOT NULL",
        """
        CREATE TABLE lease (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            owner TEXT NOT NULL,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            until_at INTEGER NOT NULL
        )
        """,
    ):
        database.execute(statement)


@MIGRATIONS(name="0008_notices")
def _notices(database: Database) -> None:
    """Who is to be told of the end of an invocation, and the ends that wait to be told or were.

    A wish is written before its invocation, in the same transaction. ``firing_at`` is the due time of what runs again
    and again, 0 for what runs once.
    """
    for statement in (
        """
        CREATE TABLE notify (
            invocation_id TEXT PRIMARY KEY
                REFERENCES invocations (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
            target TEXT NOT NULL,
            occasion TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE notices (
            number INTEGER PRIMARY KEY,
            invocation_id TEXT NOT NULL REFERENCES notify (invocation_id) ON DELETE CASCADE,
            firing_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_at INTEGER,
            delivered INTEGER NOT NULL DEFAULT 0,
            answer TEXT NOT NULL DEFAULT '',
            UNIQUE (invocation_id, firing_at)
        )
        """,
        "CREATE INDEX slots_due ON slots (invocation_id, due_at) WHERE record_id IS NOT NULL",
        "CREATE INDEX notices_waiting ON notices (next_at) WHERE next_at IS NOT NULL",
    ):
        database.execute(statement)


@MIGRATIONS(name="0009_words")
def _words(database: Database) -> None:
    """Whoever deletes a text takes its words out of the index, where they are in it by then."""
    for statement in (
        """
        CREATE TRIGGER output_words_go BEFORE DELETE ON outputs
        WHEN old.number <= (SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'search.outputs')
        BEGIN INSERT INTO output_words (output_words, rowid, data) VALUES ('delete', old.number, old.data); END
        """,
        """
        CREATE TRIGGER invocation_words_go BEFORE DELETE ON invocations
        WHEN old.number <= (SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'search.invocations')
        BEGIN
            INSERT INTO invocation_words (invocation_words, rowid, command_name, content, instance_names)
            SELECT 'delete', number, command_name, content, instance_names FROM invocation_texts
            WHERE number = old.number;
        END
        """,
    ):
        database.execute(statement)


@MIGRATIONS(name="0010_overview")
def _overview(database: Database) -> None:
    """What failed last is found without a look at what did not fail."""
    database.execute(
        """
        CREATE INDEX records_failed ON records (finished_at)
        WHERE status = 'Failed' OR (status = 'Finished' AND exit_code <> 0)
        """
    )


@MIGRATIONS(name="0011_unanswered")
def _unanswered(database: Database) -> None:
    """What may be corrected yet is found without a look at all the rest."""
    database.execute("CREATE INDEX records_unanswered ON records (finished_at) WHERE error_code = 'ClientNotResponse'")


@MIGRATIONS(name="0012_elapsed")
def _elapsed(database: Database) -> None:
    """When a record was sent by a clock that nobody sets, and whether its agent was heard to accept it.

    ``sent_elapsed`` is in ms since the start of the machine that ``boot`` names; both are empty when it has ended.
    """
    for statement in (
        "ALTER TABLE records ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE records ADD COLUMN sent_elapsed INTEGER",
        "ALTER TABLE records ADD COLUMN boot TEXT NOT NULL DEFAULT ''",
    ):
        database.execute(statement)
