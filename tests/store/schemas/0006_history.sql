PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:10:57.478633+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:10:57.480301+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:10:57.481539+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'assist','0004_access','2026-11-28 19:10:57.482476+00:00');
INSERT INTO _sqlite_migrations VALUES(5,'assist','0005_transfers','2026-11-28 19:10:57.482895+00:00');
INSERT INTO _sqlite_migrations VALUES(6,'assist','0006_history','2026-11-28 19:10:57.489950+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','6aaf196072e587a48a45497cc4be5e20');
INSERT INTO settings VALUES('search.outputs','5');
INSERT INTO settings VALUES('search.invocations','7');
INSERT INTO settings VALUES('quota.commands','400');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        , tags TEXT NOT NULL DEFAULT '{}', heard_at INTEGER);
INSERT INTO instances VALUES('i-01m8hs2kvqsr7p0fdhq0nr42a5','far','unix:/tmp/far6/agentd.sock','linux',1795893057565,NULL,'{"role": "web", "site": "north"}',1795893057565);
INSERT INTO instances VALUES('i-01m8hs2r5p941758vyn1bsb02k','local','local','linux',1795893059776,NULL,'{}',1795893059776);
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
INSERT INTO invocation_instances VALUES('f-01m8hs2vknskvkhd4xdsw2geaa','i-01m8hs2r5p941758vyn1bsb02k',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2pm2jq53d5zh6p5jmj8y','i-01m8hs2kvqsr7p0fdhq0nr42a5',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2r61w8x8py3pqrjes5gt','i-01m8hs2r5p941758vyn1bsb02k',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2rksh2yyndxvqcqyn5kg','i-01m8hs2r5p941758vyn1bsb02k',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2sbe8zxavmw7hm7rd7ks','i-01m8hs2r5p941758vyn1bsb02k',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2t24kby3361awew97vyf','i-01m8hs2r5p941758vyn1bsb02k',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2v5fjetycj9n6wxabmde','i-01m8hs2kvqsr7p0fdhq0nr42a5',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2v5fjetycj9n6wxabmde','i-01m8hs2r5p941758vyn1bsb02k',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3v7q684v5800n6semdx6','i-01m8hs2r5p941758vyn1bsb02k',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hs2pm2p4vkwzx4m3axp11e','t-01m8hs2pm2jq53d5zh6p5jmj8y','i-01m8hs2kvqsr7p0fdhq0nr42a5',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','5bf85a1b4a128028',1795893089257,1795893058257,NULL,1795893095393,NULL);
INSERT INTO records VALUES('r-01m8hs2r618er1rxt865jgq5n4','t-01m8hs2r61w8x8py3pqrjes5gt','i-01m8hs2r5p941758vyn1bsb02k',1,'Finished',0,'','','4fcfb6dae7e91289',1795893149792,1795893059792,1795893059802,1795893059803,NULL);
INSERT INTO records VALUES('r-01m8hs2rks6sme5jpp3532xj4v','t-01m8hs2rksh2yyndxvqcqyn5kg','i-01m8hs2r5p941758vyn1bsb02k',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','9e1f593794440635',1795893150250,1795893060250,1795893060259,1795893060261,NULL);
INSERT INTO records VALUES('r-01m8hs2sbec192d96b9ffcvf61','t-01m8hs2sbe8zxavmw7hm7rd7ks','i-01m8hs2r5p941758vyn1bsb02k',1,'Finished',0,'','','368cb31caa5415d8',1795893151005,1795893061005,1795893061013,1795893061014,NULL);
INSERT INTO records VALUES('r-01m8hs2t24fgh4w8x1r44j9t04','t-01m8hs2t24kby3361awew97vyf','i-01m8hs2r5p941758vyn1bsb02k',1,'Finished',0,'','','d169f80b5dce7ddc',1795893151733,1795893061733,1795893061742,1795893061743,NULL);
INSERT INTO records VALUES('r-01m8hs2v5ftnn40mn3dm9c5f2h','t-01m8hs2v5fjetycj9n6wxabmde','i-01m8hs2kvqsr7p0fdhq0nr42a5',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far6/agentd.sock'': Connection refused','803432836ca85d90',1795893152831,NULL,NULL,1795893062864,NULL);
INSERT INTO records VALUES('r-01m8hs2v5f16ega5r8y770z702','t-01m8hs2v5fjetycj9n6wxabmde','i-01m8hs2r5p941758vyn1bsb02k',1,'Finished',0,'','','803432836ca85d90',1795893152867,1795893062867,1795893062877,1795893062878,NULL);
INSERT INTO records VALUES('r-01m8hs2vkmj5p4g0ge6sd0jtjp','f-01m8hs2vknskvkhd4xdsw2geaa','i-01m8hs2r5p941758vyn1bsb02k',1,'Finished',NULL,'','','d9f0a5b402044c90',1795893153312,1795893063312,NULL,1795893063320,NULL);
INSERT INTO records VALUES('r-01m8hs3v7qzz48scdwwnh594gz','t-01m8hs3v7q684v5800n6semdx6','i-01m8hs2r5p941758vyn1bsb02k',1,'Running',NULL,'','','3413d80329b4e493',1795893185693,1795893095693,NULL,NULL,NULL);
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hs2rznphrxq84cdffcdw5s','greet','',1795893060597,1795893061317,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hs2rznphrxq84cdffcdw5s',1,1795893060597,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hs2rznphrxq84cdffcdw5s',2,1795893061317,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795893057565,'root',0,'console','instance.add','far (i-01m8hs2kvqsr7p0fdhq0nr42a5)','at unix:/tmp/far6/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795893057824,'root',0,'console','instance.tag','far (i-01m8hs2kvqsr7p0fdhq0nr42a5)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795893058178,'root',0,'console','invocation.run','t-01m8hs2pm2jq53d5zh6p5jmj8y','a script of 10 bytes on far','Done');
INSERT INTO audit VALUES(4,1795893059777,'root',0,'console','invocation.run','t-01m8hs2r61w8x8py3pqrjes5gt','a script of 25 bytes on local','Done');
INSERT INTO audit VALUES(5,1795893060217,'root',0,'console','invocation.run','t-01m8hs2rksh2yyndxvqcqyn5kg','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795893060605,'root',0,'console','command.create','greet','c-01m8hs2rznphrxq84cdffcdw5s','Done');
INSERT INTO audit VALUES(7,1795893060974,'root',0,'console','invocation.invoke','t-01m8hs2sbe8zxavmw7hm7rd7ks','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795893061317,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hs2rznphrxq84cdffcdw5s','Done');
INSERT INTO audit VALUES(9,1795893061700,'root',0,'console','invocation.invoke','t-01m8hs2t24kby3361awew97vyf','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795893062065,'root',0,'console','command.create','leaving','c-01m8hs2td9m2ta72yyhdehn7vt','Done');
INSERT INTO audit VALUES(11,1795893062419,'root',0,'console','command.delete','leaving','1 versions, c-01m8hs2td9m2ta72yyhdehn7vt','Done');
INSERT INTO audit VALUES(12,1795893062831,'root',0,'console','invocation.run','t-01m8hs2v5fjetycj9n6wxabmde','a script of 10 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795893063284,'root',0,'console','file.send','f-01m8hs2vknskvkhd4xdsw2geaa','9 bytes as /tmp/app-6.conf on local','Done');
INSERT INTO audit VALUES(14,1795893063534,'root',0,'console','accesskey.create','monitor','viewer on all instances, AKMMIOCUFV2EZQ8T8DG6R3','Done');
INSERT INTO audit VALUES(15,1795893095671,'root',0,'console','invocation.run','t-01m8hs3v7q684v5800n6semdx6','a script of 10 bytes on local','Done');
INSERT INTO audit VALUES(16,1795893095876,'root',0,'console','quota.set','commands','500 to 400','Done');
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
INSERT INTO access_keys VALUES('AKMMIOCUFV2EZQ8T8DG6R3','monitor','EO8zMQosYuxmXOpppt3SFvPeh0IU9aHH7lBkV01J','viewer','[]',1,1795893063534,NULL);
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
INSERT INTO transfers VALUES('f-01m8hs2vknskvkhd4xdsw2geaa','app-6.conf','/tmp',9,'6061b756d3df1fcb15bdcbc70f0310ef6612d8f83e9aaa38dd0b9fcce2a71503','0644',NULL,NULL,1);
CREATE TABLE IF NOT EXISTS "invocations" (
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
        );
INSERT INTO invocations VALUES(1,'t-01m8hs2pm2jq53d5zh6p5jmj8y','Failed',1795893058178,1795893095393,'c-01m8hs2pm2n9zxw8hq0j9h8201',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c656570203630300a',0);
INSERT INTO invocations VALUES(2,'t-01m8hs2r61w8x8py3pqrjes5gt','Finished',1795893059777,1795893059803,'c-01m8hs2r61bm98pxwj0nvxysf4',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d2074686520706173740a',0);
INSERT INTO invocations VALUES(3,'t-01m8hs2rksh2yyndxvqcqyn5kg','Finished',1795893060217,1795893060261,'c-01m8hs2rks7kgazs3x407bnb91',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES(4,'t-01m8hs2sbe8zxavmw7hm7rd7ks','Finished',1795893060974,1795893061014,'c-01m8hs2rznphrxq84cdffcdw5s','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(5,'t-01m8hs2t24kby3361awew97vyf','Finished',1795893061700,1795893061743,'c-01m8hs2rznphrxq84cdffcdw5s','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(6,'t-01m8hs2v5fjetycj9n6wxabmde','PartialFailed',1795893062831,1795893062878,'c-01m8hs2v5f02ktrbyc5xsvdnkx',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f74680a',0);
INSERT INTO invocations VALUES(7,'f-01m8hs2vknskvkhd4xdsw2geaa','Finished',1795893063284,1795893063320,'',NULL,NULL,'','Once',NULL,60,NULL,NULL,0,'{}',X'',0);
INSERT INTO invocations VALUES(8,'t-01m8hs3v7q684v5800n6semdx6','Running',1795893095671,NULL,'c-01m8hs3v7qnmwz3w9txy7crsb1',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c656570203630300a',0);
CREATE TABLE IF NOT EXISTS "outputs" (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            record_id TEXT NOT NULL UNIQUE REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES(1,'r-01m8hs2r618er1rxt865jgq5n4','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES(2,'r-01m8hs2rks6sme5jpp3532xj4v','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES(3,'r-01m8hs2sbec192d96b9ffcvf61','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES(4,'r-01m8hs2t24fgh4w8x1r44j9t04','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES(5,'r-01m8hs2v5f16ega5r8y770z702','5',5,0,X'626f74680a');
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','invocation_words','invocation_words',0,'CREATE VIRTUAL TABLE invocation_words
        USING fts5(command_name, content, instance_names, content=''invocation_texts'', content_rowid=''number'')');
CREATE TABLE IF NOT EXISTS 'invocation_words_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO invocation_words_data VALUES(1,X'07021808');
INSERT INTO invocation_words_data VALUES(10,X'000000000101010001010101');
INSERT INTO invocation_words_data VALUES(137438953473,X'0000010b02303203060101060101330306010108010336303001060101030104626f7468060601010301036461790406010104010601010401046563686f0206010102010801010204010601010201060101020106010102020272720306010105020378697403060101070103666172010601020205060102020203726f6d02060101040104676f6f6404060101030106010103020472656574040202010202010568656c6c6f020601010301056c6f63616c02060102020106010202010601020201060102020106010203010601020201036f7574030601010301047061737402060101060105736c656570010601010201037468650206010105010377686f040601010501060101050408080a0b0f20090a0f0a100c0c250a0b0c0a');
CREATE TABLE IF NOT EXISTS 'invocation_words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
INSERT INTO invocation_words_idx VALUES(1,X'',2);
CREATE TABLE IF NOT EXISTS 'invocation_words_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
INSERT INTO invocation_words_docsize VALUES(1,X'000201');
INSERT INTO invocation_words_docsize VALUES(2,X'000501');
INSERT INTO invocation_words_docsize VALUES(3,X'000701');
INSERT INTO invocation_words_docsize VALUES(4,X'010401');
INSERT INTO invocation_words_docsize VALUES(5,X'010401');
INSERT INTO invocation_words_docsize VALUES(6,X'000202');
INSERT INTO invocation_words_docsize VALUES(7,X'000001');
CREATE TABLE IF NOT EXISTS 'invocation_words_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO invocation_words_config VALUES('version',4);
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','output_words','output_words',0,'CREATE VIRTUAL TABLE output_words USING fts5(data, content=''outputs'', content_rowid=''number'')');
CREATE TABLE IF NOT EXISTS 'output_words_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO output_words_data VALUES(1,X'050d');
INSERT INTO output_words_data VALUES(10,X'000000000101010001010101');
INSERT INTO output_words_data VALUES(137438953473,X'0000006a0530626f746805020201036461790302030102030103657272020203010466726f6d0102030104676f6f64030202010202010568656c6c6f01020201036f757402020201047061737401020501037468650102040105776f726c640402040103796f7503020404090b08090c0a0809080a');
CREATE TABLE IF NOT EXISTS 'output_words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
INSERT INTO output_words_idx VALUES(1,X'',2);
CREATE TABLE IF NOT EXISTS 'output_words_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
INSERT INTO output_words_docsize VALUES(1,X'04');
INSERT INTO output_words_docsize VALUES(2,X'02');
INSERT INTO output_words_docsize VALUES(3,X'03');
INSERT INTO output_words_docsize VALUES(4,X'03');
INSERT INTO output_words_docsize VALUES(5,X'01');
CREATE TABLE IF NOT EXISTS 'output_words_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO output_words_config VALUES('version',4);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('invocations',8);
INSERT INTO sqlite_sequence VALUES('outputs',5);
INSERT INTO sqlite_sequence VALUES('audit',16);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX instances_name ON instances (name) WHERE removed_at IS NULL;
CREATE INDEX records_open ON records (invocation_id) WHERE status IN ('Running', 'Stopping');
CREATE VIEW command_states AS
        SELECT commands.id, name, description, commands.created_at, modified_at, latest, invocations, number,
            version.created_at AS version_at, type, working_dir, timeout, parameters_enabled, definitions, content
        FROM commands JOIN command_versions AS version ON version.command_id = commands.id;
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id)
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be replaced'); END;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be changed'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be deleted'); END;
CREATE INDEX labels_access_key ON labels (access_key);
CREATE INDEX client_tokens_made ON client_tokens (made_at);
CREATE TRIGGER labels_of_command AFTER DELETE ON commands
        BEGIN DELETE FROM labels WHERE subject = old.id; END;
CREATE TRIGGER labels_of_invocation AFTER DELETE ON invocations
        BEGIN DELETE FROM labels WHERE subject = old.id; END;
CREATE INDEX invocations_status ON invocations (status, id);
CREATE INDEX invocations_command ON invocations (command_id, id);
CREATE INDEX invocations_command_name ON invocations (command_name, id) WHERE command_name IS NOT NULL;
CREATE INDEX invocations_periodic ON invocations (id) WHERE repeat_mode = 'Period';
CREATE INDEX invocations_finished ON invocations (finished_at);
CREATE INDEX records_instance ON records (instance_id, invocation_id);
CREATE VIEW invocation_texts AS
        SELECT number, id, created_at, command_name, content, (
            SELECT group_concat(instance_name, ' ') FROM (
                SELECT instance_name FROM invocation_instances WHERE invocation_id = invocations.id ORDER BY position
            )
        ) AS instance_names
        FROM invocations;
PRAGMA writable_schema=OFF;
COMMIT;
PRAGMA user_version = 6;
