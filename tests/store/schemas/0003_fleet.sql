PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:08:41.758908+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:08:41.760600+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:08:41.761876+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','949b10d42c4c224a32107d0217e3e16e');
INSERT INTO settings VALUES('quota.commands','400');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        , tags TEXT NOT NULL DEFAULT '{}', heard_at INTEGER);
INSERT INTO instances VALUES('i-01m8hryf88yrtx6scfps8p78dx','far','unix:/tmp/far3/agentd.sock','linux',1795892921835,NULL,'{"role": "web", "site": "north"}',1795892921835);
INSERT INTO instances VALUES('i-01m8hryksrbf9r6jzw2ay3j0js','local','local','linux',1795892924229,NULL,'{}',1795892924229);
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
INSERT INTO invocations VALUES('t-01m8hryj4w9cr9wvmbfrwbbm7j','Failed',1795892922524,1795892960247,'c-01m8hryj4wvee2pbxss7z25q44',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c656570203630300a',0);
INSERT INTO invocations VALUES('t-01m8hrykt68rtgjcgw2weaday9','Finished',1795892924230,1795892924256,'c-01m8hrykt61djv1wrfgktggz8j',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d2074686520706173740a',0);
INSERT INTO invocations VALUES('t-01m8hrym74e8svg9g5djnd5y3n','Finished',1795892924644,1795892924685,'c-01m8hrym745xb3n5jtfejgacjk',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES('t-01m8hrymzk8r5tryqkpymqbepq','Finished',1795892925427,1795892925483,'c-01m8hrymjcptp9c6vsdbh2wyrc','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hrynsp0exakmbkcckv8ks7','Finished',1795892926262,1795892926306,'c-01m8hrymjcptp9c6vsdbh2wyrc','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES('t-01m8hrypw68vs6vqrq7fchgxcq','PartialFailed',1795892927366,1795892927406,'c-01m8hrypw6kne50ma0mr4wdyte',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f74680a',0);
INSERT INTO invocations VALUES('t-01m8hrzqc8cbb9pf336wvz4cac','Running',1795892960648,NULL,'c-01m8hrzqc8p3bhc3d3bdr5njam',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c656570203630300a',0);
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
INSERT INTO invocation_instances VALUES('t-01m8hryj4w9cr9wvmbfrwbbm7j','i-01m8hryf88yrtx6scfps8p78dx',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hrykt68rtgjcgw2weaday9','i-01m8hryksrbf9r6jzw2ay3j0js',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrym74e8svg9g5djnd5y3n','i-01m8hryksrbf9r6jzw2ay3j0js',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hrymzk8r5tryqkpymqbepq','i-01m8hryksrbf9r6jzw2ay3j0js',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrynsp0exakmbkcckv8ks7','i-01m8hryksrbf9r6jzw2ay3j0js',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrypw68vs6vqrq7fchgxcq','i-01m8hryf88yrtx6scfps8p78dx',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hrypw68vs6vqrq7fchgxcq','i-01m8hryksrbf9r6jzw2ay3j0js',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hrzqc8cbb9pf336wvz4cac','i-01m8hryksrbf9r6jzw2ay3j0js',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hryj4whfw3jnq1n4ptrqar','t-01m8hryj4w9cr9wvmbfrwbbm7j','i-01m8hryf88yrtx6scfps8p78dx',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','0e0175d4e3b2ce64',1795892953610,1795892922610,NULL,1795892960247,NULL);
INSERT INTO records VALUES('r-01m8hrykt6w3zx05dd35t1f42p','t-01m8hrykt68rtgjcgw2weaday9','i-01m8hryksrbf9r6jzw2ay3j0js',1,'Finished',0,'','','23daeda67c876f96',1795893014246,1795892924246,1795892924255,1795892924256,NULL);
INSERT INTO records VALUES('r-01m8hrym74z227wp0ah07wd64g','t-01m8hrym74e8svg9g5djnd5y3n','i-01m8hryksrbf9r6jzw2ay3j0js',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','8e49bd90a3d7da6a',1795893014680,1795892924680,1795892924684,1795892924685,NULL);
INSERT INTO records VALUES('r-01m8hrymzka46qza3nbc458xqd','t-01m8hrymzk8r5tryqkpymqbepq','i-01m8hryksrbf9r6jzw2ay3j0js',1,'Finished',0,'','','1378ba7f80f23ee8',1795893015476,1795892925476,1795892925481,1795892925483,NULL);
INSERT INTO records VALUES('r-01m8hrynspvd6r4ag3ftatxye4','t-01m8hrynsp0exakmbkcckv8ks7','i-01m8hryksrbf9r6jzw2ay3j0js',1,'Finished',0,'','','bd8491b69bd756f6',1795893016299,1795892926299,1795892926305,1795892926306,NULL);
INSERT INTO records VALUES('r-01m8hrypw6sxg9x5j87scnf2r4','t-01m8hrypw68vs6vqrq7fchgxcq','i-01m8hryf88yrtx6scfps8p78dx',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far3/agentd.sock'': Connection refused','5581590c9d721dd8',1795893017366,NULL,NULL,1795892927398,NULL);
INSERT INTO records VALUES('r-01m8hrypw6axwc0xbj37k4cjwt','t-01m8hrypw68vs6vqrq7fchgxcq','i-01m8hryksrbf9r6jzw2ay3j0js',1,'Finished',0,'','','5581590c9d721dd8',1795893017400,1795892927400,1795892927405,1795892927406,NULL);
INSERT INTO records VALUES('r-01m8hrzqc8ph3qka8ymx639b3g','t-01m8hrzqc8cbb9pf336wvz4cac','i-01m8hryksrbf9r6jzw2ay3j0js',1,'Running',NULL,'','','b2200e61827d64d2',1795893050699,1795892960699,NULL,NULL,NULL);
CREATE TABLE outputs (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES('r-01m8hrykt6w3zx05dd35t1f42p','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES('r-01m8hrym74z227wp0ah07wd64g','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES('r-01m8hrymzka46qza3nbc458xqd','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES('r-01m8hrynspvd6r4ag3ftatxye4','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES('r-01m8hrypw6axwc0xbj37k4cjwt','5',5,0,X'626f74680a');
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hrymjcptp9c6vsdbh2wyrc','greet','',1795892925004,1795892925844,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hrymjcptp9c6vsdbh2wyrc',1,1795892925004,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hrymjcptp9c6vsdbh2wyrc',2,1795892925844,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795892921836,'root',0,'console','instance.add','far (i-01m8hryf88yrtx6scfps8p78dx)','at unix:/tmp/far3/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795892922173,'root',0,'console','instance.tag','far (i-01m8hryf88yrtx6scfps8p78dx)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795892922524,'root',0,'console','invocation.run','t-01m8hryj4w9cr9wvmbfrwbbm7j','a script of 10 bytes on far','Done');
INSERT INTO audit VALUES(4,1795892924230,'root',0,'console','invocation.run','t-01m8hrykt68rtgjcgw2weaday9','a script of 25 bytes on local','Done');
INSERT INTO audit VALUES(5,1795892924644,'root',0,'console','invocation.run','t-01m8hrym74e8svg9g5djnd5y3n','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795892925004,'root',0,'console','command.create','greet','c-01m8hrymjcptp9c6vsdbh2wyrc','Done');
INSERT INTO audit VALUES(7,1795892925427,'root',0,'console','invocation.invoke','t-01m8hrymzk8r5tryqkpymqbepq','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795892925844,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hrymjcptp9c6vsdbh2wyrc','Done');
INSERT INTO audit VALUES(9,1795892926262,'root',0,'console','invocation.invoke','t-01m8hrynsp0exakmbkcckv8ks7','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795892926668,'root',0,'console','command.create','leaving','c-01m8hryp6bptj4s4tgfm36vs2w','Done');
INSERT INTO audit VALUES(11,1795892926955,'root',0,'console','command.delete','leaving','1 versions, c-01m8hryp6bptj4s4tgfm36vs2w','Done');
INSERT INTO audit VALUES(12,1795892927366,'root',0,'console','invocation.run','t-01m8hrypw68vs6vqrq7fchgxcq','a script of 10 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795892960648,'root',0,'console','invocation.run','t-01m8hrzqc8cbb9pf336wvz4cac','a script of 10 bytes on local','Done');
INSERT INTO audit VALUES(14,1795892961116,'root',0,'console','quota.set','commands','500 to 400','Done');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('audit',14);
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
COMMIT;
PRAGMA user_version = 3;
