PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:10:11.284712+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:10:11.286328+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:10:11.287599+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'assist','0004_access','2026-11-28 19:10:11.288590+00:00');
INSERT INTO _sqlite_migrations VALUES(5,'assist','0005_transfers','2026-11-28 19:10:11.289013+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','df498388d34fdabf98b6fed7f0effeb6');
INSERT INTO settings VALUES('quota.commands','400');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        , tags TEXT NOT NULL DEFAULT '{}', heard_at INTEGER);
INSERT INTO instances VALUES('i-01m8hs1648t28s81k629fca62e','far','unix:/tmp/far5/agentd.sock','linux',1795893011584,NULL,'{"role": "web", "site": "north"}',1795893011584);
INSERT INTO instances VALUES('i-01m8hs1f8aqfkh6dd9wjn898c2','local','local','linux',1795893017893,NULL,'{}',1795893017893);
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
INSERT INTO invocations VALUES('t-01m8hs1bxyvcqptkj0rj73tv32','Failed',1795893014462,1795893053309,'c-01m8hs1bxy15ak6kzvkpbhnzxm',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c656570203630300a',0);
INSERT INTO invocations VALUES('t-01m8hs1f984sf2a6m86660sbnz','Finished',1795893017896,1795893017997,'c-01m8hs1f9891zddpw7vzxz4eeq',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d2074686520706173740a',0);
INSERT INTO invocations VALUES('t-01m8hs1h6we88sna48dcqy833j','Finished',1795893019868,1795893020018,'c-01m8hs1h6wbvqxspbaaya40tqv',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES('t-01m8hs1keem295m9pcw1q338ff','Finished',1795893022158,1795893022209,'c-01m8hs1js05m0mr46ztjefyecf','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hs1mpybqd64xeezr47t4pn','Finished',1795893023454,1795893023537,'c-01m8hs1js05m0mr46ztjefyecf','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hs1p2y2mkd1mnx1t50qm96','PartialFailed',1795893024862,1795893024900,'c-01m8hs1p2y2axy91j542xfh8qx',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f74680a',0);
INSERT INTO invocations VALUES('f-01m8hs1ph49cccdrrcrwmse77c','Finished',1795893025316,1795893025345,'',NULL,NULL,'','Once',NULL,60,NULL,NULL,0,'{}',X'',0);
INSERT INTO invocations VALUES('t-01m8hs2j8r42v3mz51t9vdfskz','Running',1795893053720,NULL,'c-01m8hs2j8rssfyjs5vwjgaqgsh',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c656570203630300a',0);
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
INSERT INTO invocation_instances VALUES('f-01m8hs1ph49cccdrrcrwmse77c','i-01m8hs1f8aqfkh6dd9wjn898c2',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1bxyvcqptkj0rj73tv32','i-01m8hs1648t28s81k629fca62e',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1f984sf2a6m86660sbnz','i-01m8hs1f8aqfkh6dd9wjn898c2',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1h6we88sna48dcqy833j','i-01m8hs1f8aqfkh6dd9wjn898c2',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1keem295m9pcw1q338ff','i-01m8hs1f8aqfkh6dd9wjn898c2',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1mpybqd64xeezr47t4pn','i-01m8hs1f8aqfkh6dd9wjn898c2',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1p2y2mkd1mnx1t50qm96','i-01m8hs1648t28s81k629fca62e',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1p2y2mkd1mnx1t50qm96','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2j8r42v3mz51t9vdfskz','i-01m8hs1f8aqfkh6dd9wjn898c2',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hs1bxyyjra3mgaz4085eax','t-01m8hs1bxyvcqptkj0rj73tv32','i-01m8hs1648t28s81k629fca62e',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','aa08837f869ed679',1795893045788,1795893014788,NULL,1795893053309,NULL);
INSERT INTO records VALUES('r-01m8hs1f98f0nd9mjyyjnc0y4e','t-01m8hs1f984sf2a6m86660sbnz','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'Finished',0,'','','fd680cfa9740d332',1795893107956,1795893017956,1795893017996,1795893017997,NULL);
INSERT INTO records VALUES('r-01m8hs1h6w2xzdjan76895nxa8','t-01m8hs1h6we88sna48dcqy833j','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','416dead3b46a898d',1795893110005,1795893020005,1795893020017,1795893020018,NULL);
INSERT INTO records VALUES('r-01m8hs1keesbn5bn45dpq9gf83','t-01m8hs1keem295m9pcw1q338ff','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'Finished',0,'','','39a4807abfbb5a7f',1795893112198,1795893022198,1795893022208,1795893022209,NULL);
INSERT INTO records VALUES('r-01m8hs1mpyrw1jrn0pw4q6wc4k','t-01m8hs1mpybqd64xeezr47t4pn','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'Finished',0,'','','1fa657225e442dd8',1795893113512,1795893023512,1795893023536,1795893023537,NULL);
INSERT INTO records VALUES('r-01m8hs1p2ym288vkefbfs42dj8','t-01m8hs1p2y2mkd1mnx1t50qm96','i-01m8hs1648t28s81k629fca62e',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far5/agentd.sock'': Connection refused','52a11c20fe762b90',1795893114862,NULL,NULL,1795893024889,NULL);
INSERT INTO records VALUES('r-01m8hs1p2yrdw468sqtznzy2mc','t-01m8hs1p2y2mkd1mnx1t50qm96','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'Finished',0,'','','52a11c20fe762b90',1795893114893,1795893024893,1795893024899,1795893024900,NULL);
INSERT INTO records VALUES('r-01m8hs1ph4jh3a6xdrnc51av3z','f-01m8hs1ph49cccdrrcrwmse77c','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'Finished',NULL,'','','95c45c5d6ecb1cff',1795893115341,1795893025341,NULL,1795893025345,NULL);
INSERT INTO records VALUES('r-01m8hs2j8r3d2xa9twbn1mrk37','t-01m8hs2j8r42v3mz51t9vdfskz','i-01m8hs1f8aqfkh6dd9wjn898c2',1,'Running',NULL,'','','cc32fc0110b32caf',1795893143772,1795893053772,NULL,NULL,NULL);
CREATE TABLE outputs (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES('r-01m8hs1f98f0nd9mjyyjnc0y4e','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES('r-01m8hs1h6w2xzdjan76895nxa8','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES('r-01m8hs1keesbn5bn45dpq9gf83','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES('r-01m8hs1mpyrw1jrn0pw4q6wc4k','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES('r-01m8hs1p2yrdw468sqtznzy2mc','5',5,0,X'626f74680a');
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hs1js05m0mr46ztjefyecf','greet','',1795893021472,1795893022616,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hs1js05m0mr46ztjefyecf',1,1795893021472,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hs1js05m0mr46ztjefyecf',2,1795893022616,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795893011585,'root',0,'console','instance.add','far (i-01m8hs1648t28s81k629fca62e)','at unix:/tmp/far5/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795893013098,'root',0,'console','instance.tag','far (i-01m8hs1648t28s81k629fca62e)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795893014462,'root',0,'console','invocation.run','t-01m8hs1bxyvcqptkj0rj73tv32','a script of 10 bytes on far','Done');
INSERT INTO audit VALUES(4,1795893017896,'root',0,'console','invocation.run','t-01m8hs1f984sf2a6m86660sbnz','a script of 25 bytes on local','Done');
INSERT INTO audit VALUES(5,1795893019868,'root',0,'console','invocation.run','t-01m8hs1h6we88sna48dcqy833j','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795893021473,'root',0,'console','command.create','greet','c-01m8hs1js05m0mr46ztjefyecf','Done');
INSERT INTO audit VALUES(7,1795893022158,'root',0,'console','invocation.invoke','t-01m8hs1keem295m9pcw1q338ff','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795893022616,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hs1js05m0mr46ztjefyecf','Done');
INSERT INTO audit VALUES(9,1795893023454,'root',0,'console','invocation.invoke','t-01m8hs1mpybqd64xeezr47t4pn','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795893024094,'root',0,'console','command.create','leaving','c-01m8hs1naxnx7hfffap4jgkz7v','Done');
INSERT INTO audit VALUES(11,1795893024467,'root',0,'console','command.delete','leaving','1 versions, c-01m8hs1naxnx7hfffap4jgkz7v','Done');
INSERT INTO audit VALUES(12,1795893024862,'root',0,'console','invocation.run','t-01m8hs1p2y2mkd1mnx1t50qm96','a script of 10 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795893025316,'root',0,'console','file.send','f-01m8hs1ph49cccdrrcrwmse77c','9 bytes as /tmp/app-5.conf on local','Done');
INSERT INTO audit VALUES(14,1795893025693,'root',0,'console','accesskey.create','monitor','viewer on all instances, AKD156BIWQORM4202PNYBH','Done');
INSERT INTO audit VALUES(15,1795893053720,'root',0,'console','invocation.run','t-01m8hs2j8r42v3mz51t9vdfskz','a script of 10 bytes on local','Done');
INSERT INTO audit VALUES(16,1795893054111,'root',0,'console','quota.set','commands','500 to 400','Done');
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
INSERT INTO access_keys VALUES('AKD156BIWQORM4202PNYBH','monitor','6IcMDCDnjSOzWaELa1j6GdXYlHt3dky0n69FXavJ','viewer','[]',1,1795893025692,NULL);
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
        ;
INSERT INTO transfers VALUES('f-01m8hs1ph49cccdrrcrwmse77c','app-5.conf','/tmp',9,'6061b756d3df1fcb15bdcbc70f0310ef6612d8f83e9aaa38dd0b9fcce2a71503','0644',NULL,NULL,1);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('audit',16);
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
PRAGMA user_version = 5;
