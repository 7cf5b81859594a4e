PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:08:35.510251+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:08:35.511366+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','41d1d8183c7a1ad9058aae91802ca940');
INSERT INTO settings VALUES('quota.commands','400');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        );
INSERT INTO instances VALUES('i-01m8hrybd8hd41hwcqcb8qmvw2','local','local','linux',1795892915633,NULL);
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
        , parameters_enabled INTEGER NOT NULL DEFAULT 0);
INSERT INTO invocations VALUES('t-01m8hrybdmr5cgb3yb7wvtkybn','Finished',1795892915636,1795892915659,'c-01m8hrybdm2c2y6zc3j1bj3b69',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d2074686520706173740a',0);
INSERT INTO invocations VALUES('t-01m8hrybre4kzzcg4ca3a2hgbh','Finished',1795892915982,1795892916009,'c-01m8hrybre3cf6y65whb6beyxp',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES('t-01m8hrycc1hq1ess4dchs0twgg','Finished',1795892916609,1795892916657,'c-01m8hryc1nea8fsa6gaym4gfw2','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hrycz0bqnpr3v88ed59g99','Finished',1795892917216,1795892917245,'c-01m8hryc1nea8fsa6gaym4gfw2','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hrydsvc6gjsqrtrkxtpv56','Running',1795892918075,NULL,'c-01m8hrydsvrvxcpgdkpb1rqkm3',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c656570203630300a',0);
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
        ;
INSERT INTO invocation_instances VALUES('t-01m8hrybdmr5cgb3yb7wvtkybn','i-01m8hrybd8hd41hwcqcb8qmvw2',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrybre4kzzcg4ca3a2hgbh','i-01m8hrybd8hd41hwcqcb8qmvw2',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hrycc1hq1ess4dchs0twgg','i-01m8hrybd8hd41hwcqcb8qmvw2',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrycz0bqnpr3v88ed59g99','i-01m8hrybd8hd41hwcqcb8qmvw2',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrydsvc6gjsqrtrkxtpv56','i-01m8hrybd8hd41hwcqcb8qmvw2',0,'local','Running',NULL,1);
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
        );
INSERT INTO records VALUES('r-01m8hrybdmnqrqthb55b9afqpt','t-01m8hrybdmr5cgb3yb7wvtkybn','i-01m8hrybd8hd41hwcqcb8qmvw2',1,'Finished',0,'','','2811a5d19af95a28',1795893005649,1795892915649,1795892915658,1795892915659,NULL);
INSERT INTO records VALUES('r-01m8hrybred1gxcd4m7nnj84x7','t-01m8hrybre4kzzcg4ca3a2hgbh','i-01m8hrybd8hd41hwcqcb8qmvw2',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','34a284eeb932f630',1795893006003,1795892916003,1795892916006,1795892916009,NULL);
INSERT INTO records VALUES('r-01m8hrycc1ckjwffzq0022x9vn','t-01m8hrycc1hq1ess4dchs0twgg','i-01m8hrybd8hd41hwcqcb8qmvw2',1,'Finished',0,'','','430dc7a4a76e0503',1795893006635,1795892916635,1795892916656,1795892916657,NULL);
INSERT INTO records VALUES('r-01m8hrycz0hjr2tszjx8zp0yxv','t-01m8hrycz0bqnpr3v88ed59g99','i-01m8hrybd8hd41hwcqcb8qmvw2',1,'Finished',0,'','','6630d8fc014d45fb',1795893007233,1795892917233,1795892917244,1795892917245,NULL);
INSERT INTO records VALUES('r-01m8hrydsvzffeg4cg4chb2bex','t-01m8hrydsvc6gjsqrtrkxtpv56','i-01m8hrybd8hd41hwcqcb8qmvw2',1,'Running',NULL,'','','ea78d94adeb5f80b',1795893008099,1795892918099,NULL,NULL,NULL);
CREATE TABLE outputs (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES('r-01m8hrybdmnqrqthb55b9afqpt','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES('r-01m8hrybred1gxcd4m7nnj84x7','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES('r-01m8hrycc1ckjwffzq0022x9vn','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES('r-01m8hrycz0hjr2tszjx8zp0yxv','16',16,0,X'676f6f64206461792c20776f726c640a');
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hryc1nea8fsa6gaym4gfw2','greet','',1795892916277,1795892916930,2,2);
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
        );
INSERT INTO command_versions VALUES('c-01m8hryc1nea8fsa6gaym4gfw2',1,1795892916277,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hryc1nea8fsa6gaym4gfw2',2,1795892916930,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
        );
INSERT INTO audit VALUES(1,1795892915636,'root',0,'console','invocation.run','t-01m8hrybdmr5cgb3yb7wvtkybn','a script of 25 bytes on local','Done');
INSERT INTO audit VALUES(2,1795892915982,'root',0,'console','invocation.run','t-01m8hrybre4kzzcg4ca3a2hgbh','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(3,1795892916277,'root',0,'console','command.create','greet (c-01m8hryc1nea8fsa6gaym4gfw2)','','Done');
INSERT INTO audit VALUES(4,1795892916609,'root',0,'console','invocation.invoke','t-01m8hrycc1hq1ess4dchs0twgg','greet@1 on local with who','Done');
INSERT INTO audit VALUES(5,1795892916930,'root',0,'console','command.clone','greet (c-01m8hryc1nea8fsa6gaym4gfw2)','version 2 from version 1','Done');
INSERT INTO audit VALUES(6,1795892917216,'root',0,'console','invocation.invoke','t-01m8hrycz0bqnpr3v88ed59g99','greet@1 on local with who','Done');
INSERT INTO audit VALUES(7,1795892917510,'root',0,'console','command.create','leaving (c-01m8hryd86ne6f8461g5wa5p04)','','Done');
INSERT INTO audit VALUES(8,1795892917762,'root',0,'console','command.delete','leaving (c-01m8hryd86ne6f8461g5wa5p04)','1 versions','Done');
INSERT INTO audit VALUES(9,1795892918075,'root',0,'console','invocation.run','t-01m8hrydsvc6gjsqrtrkxtpv56','a script of 10 bytes on local','Done');
INSERT INTO audit VALUES(10,1795892918323,'root',0,'console','quota.set','commands','500 to 400','Done');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('audit',10);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX instances_name ON instances (name) WHERE removed_at IS NULL;
CREATE INDEX records_open ON records (invocation_id) WHERE status IN ('Running', 'Stopping');
CREATE VIEW command_states AS
        SELECT commands.id, name, description, commands.created_at, modified_at, latest, invocations, number,
            version.created_at AS version_at, type, working_dir, timeout, parameters_enabled, definitions, content
        FROM commands JOIN command_versions AS version ON version.command_id = commands.id;
CREATE INDEX invocations_command ON invocations (command_id);
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id)
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be replaced'); END;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be changed'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be deleted'); END;
COMMIT;
PRAGMA user_version = 2;
