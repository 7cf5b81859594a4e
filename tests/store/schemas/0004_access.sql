PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:09:24.673902+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:09:24.675854+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:09:24.677298+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'assist','0004_access','2026-11-28 19:09:24.678271+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','b4a6ccb48cc3d9294659774ab0bd4369');
INSERT INTO settings VALUES('quota.commands','400');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        , tags TEXT NOT NULL DEFAULT '{}', heard_at INTEGER);
INSERT INTO instances VALUES('i-01m8hrzs5t5xscf11e3ayvhhp1','far','unix:/tmp/far4/agentd.sock','linux',1795892964797,NULL,'{"role": "web", "site": "north"}',1795892964797);
INSERT INTO instances VALUES('i-01m8hrzywdq5rv0qnwqtcyfvxq','local','local','linux',1795892968372,NULL,'{}',1795892968372);
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
INSERT INTO invocations VALUES('t-01m8hrzwdyc21vfncgcysfwjds','Failed',1795892965822,1795893004444,'c-01m8hrzwdykbx8wbabchnk1ca8',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c656570203630300a',0);
INSERT INTO invocations VALUES('t-01m8hrzyy1acv386mzr8rqrrf7','Finished',1795892968385,1795892968439,'c-01m8hrzyy1380y9rqdmth7f2dc',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d2074686520706173740a',0);
INSERT INTO invocations VALUES('t-01m8hrzzp51e3zytwag540zmpa','Finished',1795892969157,1795892969226,'c-01m8hrzzp5srt39p5ht1dp5pg4',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES('t-01m8hs0130x083gjwpv9mm88rc','Finished',1795892970592,1795892970648,'c-01m8hs00jw7bsj1xpn2yjhjna4','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hs01ye6hrrvt2bn3jr5xm9','Finished',1795892971470,1795892971528,'c-01m8hs00jw7bsj1xpn2yjhjna4','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hs04pq2a18etdrme36n9fb','PartialFailed',1795892974295,1795892974405,'c-01m8hs04pqgdgytvdhppanwxxz',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f74680a',0);
INSERT INTO invocations VALUES('t-01m8hs13g4mw9nm0t9jxwgxvk6','Running',1795893005828,NULL,'c-01m8hs13g46sqr32bm4fwxhf4n',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c656570203630300a',0);
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
INSERT INTO invocation_instances VALUES('t-01m8hrzwdyc21vfncgcysfwjds','i-01m8hrzs5t5xscf11e3ayvhhp1',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hrzyy1acv386mzr8rqrrf7','i-01m8hrzywdq5rv0qnwqtcyfvxq',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrzzp51e3zytwag540zmpa','i-01m8hrzywdq5rv0qnwqtcyfvxq',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hs0130x083gjwpv9mm88rc','i-01m8hrzywdq5rv0qnwqtcyfvxq',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs01ye6hrrvt2bn3jr5xm9','i-01m8hrzywdq5rv0qnwqtcyfvxq',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs04pq2a18etdrme36n9fb','i-01m8hrzs5t5xscf11e3ayvhhp1',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs04pq2a18etdrme36n9fb','i-01m8hrzywdq5rv0qnwqtcyfvxq',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs13g4mw9nm0t9jxwgxvk6','i-01m8hrzywdq5rv0qnwqtcyfvxq',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hrzwdy7tekh8x1fm53jjyq','t-01m8hrzwdyc21vfncgcysfwjds','i-01m8hrzs5t5xscf11e3ayvhhp1',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','5bc469fff994b142',1795892996984,1795892965984,NULL,1795893004444,NULL);
INSERT INTO records VALUES('r-01m8hrzyy1dsny7xwvm0mjs2wc','t-01m8hrzyy1acv386mzr8rqrrf7','i-01m8hrzywdq5rv0qnwqtcyfvxq',1,'Finished',0,'','','058759d3e8dd3b80',1795893058413,1795892968413,1795892968438,1795892968439,NULL);
INSERT INTO records VALUES('r-01m8hrzzp5q63kbst4esa94s64','t-01m8hrzzp51e3zytwag540zmpa','i-01m8hrzywdq5rv0qnwqtcyfvxq',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','5d91b9fa24bab03a',1795893059214,1795892969214,1795892969224,1795892969226,NULL);
INSERT INTO records VALUES('r-01m8hs0130vkj42hvt2pq2ewq4','t-01m8hs0130x083gjwpv9mm88rc','i-01m8hrzywdq5rv0qnwqtcyfvxq',1,'Finished',0,'','','49c265d3d2ed92b7',1795893060640,1795892970640,1795892970645,1795892970648,NULL);
INSERT INTO records VALUES('r-01m8hs01yefx9pcyhk6k4pwyxs','t-01m8hs01ye6hrrvt2bn3jr5xm9','i-01m8hrzywdq5rv0qnwqtcyfvxq',1,'Finished',0,'','','f4479223302492c1',1795893061506,1795892971506,1795892971527,1795892971528,NULL);
INSERT INTO records VALUES('r-01m8hs04pqdgy9v09j99fszrez','t-01m8hs04pq2a18etdrme36n9fb','i-01m8hrzs5t5xscf11e3ayvhhp1',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far4/agentd.sock'': Connection refused','51909ed78a0e3d4c',1795893064295,NULL,NULL,1795892974378,NULL);
INSERT INTO records VALUES('r-01m8hs04pqhppne0q6d4hgqjbe','t-01m8hs04pq2a18etdrme36n9fb','i-01m8hrzywdq5rv0qnwqtcyfvxq',1,'Finished',0,'','','51909ed78a0e3d4c',1795893064384,1795892974384,1795892974403,1795892974405,NULL);
INSERT INTO records VALUES('r-01m8hs13g4t34z1apeaz44vheg','t-01m8hs13g4mw9nm0t9jxwgxvk6','i-01m8hrzywdq5rv0qnwqtcyfvxq',1,'Running',NULL,'','','03c2738973dad8f7',1795893095901,1795893005901,NULL,NULL,NULL);
CREATE TABLE outputs (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES('r-01m8hrzyy1dsny7xwvm0mjs2wc','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES('r-01m8hrzzp5q63kbst4esa94s64','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES('r-01m8hs0130vkj42hvt2pq2ewq4','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES('r-01m8hs01yefx9pcyhk6k4pwyxs','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES('r-01m8hs04pqhppne0q6d4hgqjbe','5',5,0,X'626f74680a');
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hs00jw7bsj1xpn2yjhjna4','greet','',1795892970076,1795892971026,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hs00jw7bsj1xpn2yjhjna4',1,1795892970076,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hs00jw7bsj1xpn2yjhjna4',2,1795892971026,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795892964798,'root',0,'console','instance.add','far (i-01m8hrzs5t5xscf11e3ayvhhp1)','at unix:/tmp/far4/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795892965231,'root',0,'console','instance.tag','far (i-01m8hrzs5t5xscf11e3ayvhhp1)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795892965822,'root',0,'console','invocation.run','t-01m8hrzwdyc21vfncgcysfwjds','a script of 10 bytes on far','Done');
INSERT INTO audit VALUES(4,1795892968385,'root',0,'console','invocation.run','t-01m8hrzyy1acv386mzr8rqrrf7','a script of 25 bytes on local','Done');
INSERT INTO audit VALUES(5,1795892969157,'root',0,'console','invocation.run','t-01m8hrzzp51e3zytwag540zmpa','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795892970076,'root',0,'console','command.create','greet','c-01m8hs00jw7bsj1xpn2yjhjna4','Done');
INSERT INTO audit VALUES(7,1795892970592,'root',0,'console','invocation.invoke','t-01m8hs0130x083gjwpv9mm88rc','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795892971026,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hs00jw7bsj1xpn2yjhjna4','Done');
INSERT INTO audit VALUES(9,1795892971470,'root',0,'console','invocation.invoke','t-01m8hs01ye6hrrvt2bn3jr5xm9','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795892972144,'root',0,'console','command.create','leaving','c-01m8hs02kb25jef17dc14s9hv4','Done');
INSERT INTO audit VALUES(11,1795892973002,'root',0,'console','command.delete','leaving','1 versions, c-01m8hs02kb25jef17dc14s9hv4','Done');
INSERT INTO audit VALUES(12,1795892974295,'root',0,'console','invocation.run','t-01m8hs04pq2a18etdrme36n9fb','a script of 10 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795892974847,'root',0,'console','accesskey.create','monitor','viewer on all instances, AK5R6HL5QWG06EUITFGZIT','Done');
INSERT INTO audit VALUES(14,1795893005828,'root',0,'console','invocation.run','t-01m8hs13g4mw9nm0t9jxwgxvk6','a script of 10 bytes on local','Done');
INSERT INTO audit VALUES(15,1795893006987,'root',0,'console','quota.set','commands','500 to 400','Done');
CREATE TABLE access_keys (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            secret TEXT NOT NULL,
            role TEXT NOT NULL,
            scope TEXT NOT NULL,
            enabled INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            used_at INTEGER
        );
INSERT INTO access_keys VALUES('AK5R6HL5QWG06EUITFGZIT','monitor','TtAoOMfq9FFwXEdoxrXQBJiv23lDiFvkZzzFvUTB','viewer','[]',1,1795892974847,NULL);
CREATE TABLE labels (
            subject TEXT PRIMARY KEY,
            access_key TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            tags TEXT NOT NULL
        );
CREATE TABLE client_tokens (
            access_key TEXT NOT NULL,
            token TEXT NOT NULL,
            request BLOB NOT NULL,
            subject TEXT NOT NULL,
            made_at INTEGER NOT NULL,
            PRIMARY KEY (access_key, token)
        );
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('audit',15);
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
CREATE INDEX records_instance ON records (instance_id);
CREATE INDEX labels_access_key ON labels (access_key);
CREATE INDEX client_tokens_made ON client_tokens (made_at);
CREATE TRIGGER labels_of_invocation AFTER DELETE ON invocations
        BEGIN DELETE FROM labels WHERE subject = old.id; END;
CREATE TRIGGER labels_of_command AFTER DELETE ON commands
        BEGIN DELETE FROM labels WHERE subject = old.id; END;
COMMIT;
PRAGMA user_version = 4;
