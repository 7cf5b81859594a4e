PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:12:23.045888+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:12:23.046945+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:12:23.047663+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'assist','0004_access','2026-11-28 19:12:23.048197+00:00');
INSERT INTO _sqlite_migrations VALUES(5,'assist','0005_transfers','2026-11-28 19:12:23.048405+00:00');
INSERT INTO _sqlite_migrations VALUES(6,'assist','0006_history','2026-11-28 19:12:23.053138+00:00');
INSERT INTO _sqlite_migrations VALUES(7,'assist','0007_schedules','2026-11-28 19:12:23.053764+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','c179d33132456e9bca526d449c4fe998');
INSERT INTO settings VALUES('search.outputs','6');
INSERT INTO settings VALUES('search.invocations','10');
INSERT INTO settings VALUES('quota.commands','400');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        , tags TEXT NOT NULL DEFAULT '{}', heard_at INTEGER);
INSERT INTO instances VALUES('i-01m8hs57dpmdx21smkmyf8twcm','far','unix:/tmp/far7/agentd.sock','linux',1795893143100,NULL,'{"role": "web", "site": "north"}',1795893143100);
INSERT INTO instances VALUES('i-01m8hs5bj4b1gd6ye48sb5edtn','local','local','linux',1795893145167,NULL,'{}',1795893145167);
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
INSERT INTO invocation_instances VALUES('f-01m8hs5ejjsezs358xqnrd1vbs','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5a23d6shzrfh3qd9vsfk','i-01m8hs57dpmdx21smkmyf8twcm',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5bjgz692513njfszscwq','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5bz9ys6eas2t5wxz2sa2','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5cm8900v7k06x9ea589k','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5db3nykwnbfse1dj3nc5','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5e6nbnq5k7t3ke6v2wac','i-01m8hs57dpmdx21smkmyf8twcm',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5e6nbnq5k7t3ke6v2wac','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs5fahfrtxrr35znv51p78','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs5fstdy1pffn49g2bznzg','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs5g98sekbwv91wk11b75y','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs6f69phw04jtzqn38ffpc','i-01m8hs5bj4b1gd6ye48sb5edtn',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hs5a23wqvamf9j4b5gxvqz','t-01m8hs5a23d6shzrfh3qd9vsfk','i-01m8hs57dpmdx21smkmyf8twcm',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','eaddbf768002b6db',1795893174704,1795893143704,NULL,1795893181003,NULL);
INSERT INTO records VALUES('r-01m8hs5bjgh071njgpvd6h88j9','t-01m8hs5bjgz692513njfszscwq','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Finished',0,'','','e0b602dba67b0c8c',1795893235191,1795893145191,1795893145199,1795893145201,NULL);
INSERT INTO records VALUES('r-01m8hs5bz974yap08yb1vpwnn3','t-01m8hs5bz9ys6eas2t5wxz2sa2','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','3d244368999940f3',1795893235605,1795893145605,1795893145613,1795893145613,NULL);
INSERT INTO records VALUES('r-01m8hs5cm8h9eqfxf9c7rpqxxt','t-01m8hs5cm8900v7k06x9ea589k','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Finished',0,'','','b31a114e6891cf89',1795893236284,1795893146284,1795893146292,1795893146293,NULL);
INSERT INTO records VALUES('r-01m8hs5db3tvqeft5q26b3r37h','t-01m8hs5db3nykwnbfse1dj3nc5','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Finished',0,'','','1a7905129690d5da',1795893237005,1795893147005,1795893147013,1795893147014,NULL);
INSERT INTO records VALUES('r-01m8hs5e6nf6pbwqz8wjbgnty4','t-01m8hs5e6nbnq5k7t3ke6v2wac','i-01m8hs57dpmdx21smkmyf8twcm',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far7/agentd.sock'': Connection refused','6306153c0b86ac66',1795893237861,NULL,NULL,1795893147886,NULL);
INSERT INTO records VALUES('r-01m8hs5e6nkn0z16cc0q0yfbwx','t-01m8hs5e6nbnq5k7t3ke6v2wac','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Finished',0,'','','6306153c0b86ac66',1795893237888,1795893147888,1795893147897,1795893147898,NULL);
INSERT INTO records VALUES('r-01m8hs5ejjcet6xb0sq4641sv9','f-01m8hs5ejjsezs358xqnrd1vbs','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Finished',NULL,'','','0646e4cf8d3e57ef',1795893238272,1795893148272,NULL,1795893148280,NULL);
INSERT INTO records VALUES('r-01m8hs5kx07rbm4z3e5xgq0bw3','t-01m8hs5g98sekbwv91wk11b75y','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Finished',0,'','','fa17f53faa2303ae',1795893243693,1795893153693,1795893153714,1795893153716,NULL);
INSERT INTO records VALUES('r-01m8hs6f6999d8rwx9j9ate5fb','t-01m8hs6f69phw04jtzqn38ffpc','i-01m8hs5bj4b1gd6ye48sb5edtn',1,'Running',NULL,'','','e92c8e38dd21204f',1795893271684,1795893181684,NULL,NULL,NULL);
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hs5c80ps1xftvyaq4sxqne','greet','',1795893145856,1795893146605,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hs5c80ps1xftvyaq4sxqne',1,1795893145856,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hs5c80ps1xftvyaq4sxqne',2,1795893146605,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795893143100,'root',0,'console','instance.add','far (i-01m8hs57dpmdx21smkmyf8twcm)','at unix:/tmp/far7/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795893143309,'root',0,'console','instance.tag','far (i-01m8hs57dpmdx21smkmyf8twcm)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795893143619,'root',0,'console','invocation.run','t-01m8hs5a23d6shzrfh3qd9vsfk','a script of 10 bytes on far','Done');
INSERT INTO audit VALUES(4,1795893145168,'root',0,'console','invocation.run','t-01m8hs5bjgz692513njfszscwq','a script of 25 bytes on local','Done');
INSERT INTO audit VALUES(5,1795893145577,'root',0,'console','invocation.run','t-01m8hs5bz9ys6eas2t5wxz2sa2','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795893145864,'root',0,'console','command.create','greet','c-01m8hs5c80ps1xftvyaq4sxqne','Done');
INSERT INTO audit VALUES(7,1795893146248,'root',0,'console','invocation.invoke','t-01m8hs5cm8900v7k06x9ea589k','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795893146605,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hs5c80ps1xftvyaq4sxqne','Done');
INSERT INTO audit VALUES(9,1795893146979,'root',0,'console','invocation.invoke','t-01m8hs5db3nykwnbfse1dj3nc5','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795893147247,'root',0,'console','command.create','leaving','c-01m8hs5dkanrrmdqy8gh1jjdqw','Done');
INSERT INTO audit VALUES(11,1795893147463,'root',0,'console','command.delete','leaving','1 versions, c-01m8hs5dkanrrmdqy8gh1jjdqw','Done');
INSERT INTO audit VALUES(12,1795893147861,'root',0,'console','invocation.run','t-01m8hs5e6nbnq5k7t3ke6v2wac','a script of 10 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795893148242,'root',0,'console','file.send','f-01m8hs5ejjsezs358xqnrd1vbs','9 bytes as /tmp/app-7.conf on local','Done');
INSERT INTO audit VALUES(14,1795893148513,'root',0,'console','accesskey.create','monitor','viewer on all instances, AKYGLQ0C2YZ3J9H3QTQAKG','Done');
INSERT INTO audit VALUES(15,1795893149009,'root',0,'console','invocation.run','t-01m8hs5fahfrtxrr35znv51p78','a script of 11 bytes on local, rate(1h)','Done');
INSERT INTO audit VALUES(16,1795893149498,'root',0,'console','invocation.run','t-01m8hs5fstdy1pffn49g2bznzg','a script of 10 bytes on local, at(2026-12-24 10:00:00)','Done');
INSERT INTO audit VALUES(17,1795893149992,'root',0,'console','invocation.run','t-01m8hs5g98sekbwv91wk11b75y','a script of 9 bytes on local, at(2026-11-28 19:12:31)','Done');
INSERT INTO audit VALUES(18,1795893181641,'root',0,'console','invocation.run','t-01m8hs6f69phw04jtzqn38ffpc','a script of 10 bytes on local','Done');
INSERT INTO audit VALUES(19,1795893181946,'root',0,'console','quota.set','commands','500 to 400','Done');
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
INSERT INTO access_keys VALUES('AKYGLQ0C2YZ3J9H3QTQAKG','monitor','RzmD9R6JdzBwBCziPw2xNgFulG6OTOkFBgpXGLiC','viewer','[]',1,1795893148513,NULL);
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
INSERT INTO transfers VALUES('f-01m8hs5ejjsezs358xqnrd1vbs','app-7.conf','/tmp',9,'6061b756d3df1fcb15bdcbc70f0310ef6612d8f83e9aaa38dd0b9fcce2a71503','0644',NULL,NULL,1);
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
INSERT INTO invocations VALUES(1,'t-01m8hs5a23d6shzrfh3qd9vsfk','Failed',1795893143619,1795893181003,'c-01m8hs5a237gsq401kanj9jss8',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c656570203630300a',0);
INSERT INTO invocations VALUES(2,'t-01m8hs5bjgz692513njfszscwq','Finished',1795893145168,1795893145201,'c-01m8hs5bjgvms01zvwt9px6qeq',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d2074686520706173740a',0);
INSERT INTO invocations VALUES(3,'t-01m8hs5bz9ys6eas2t5wxz2sa2','Finished',1795893145577,1795893145613,'c-01m8hs5bz9cx98be1syfjfnh8h',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES(4,'t-01m8hs5cm8900v7k06x9ea589k','Finished',1795893146248,1795893146293,'c-01m8hs5c80ps1xftvyaq4sxqne','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(5,'t-01m8hs5db3nykwnbfse1dj3nc5','Finished',1795893146979,1795893147014,'c-01m8hs5c80ps1xftvyaq4sxqne','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(6,'t-01m8hs5e6nbnq5k7t3ke6v2wac','PartialFailed',1795893147861,1795893147898,'c-01m8hs5e6nxd2d3haek5yqkxmz',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f74680a',0);
INSERT INTO invocations VALUES(7,'f-01m8hs5ejjsezs358xqnrd1vbs','Finished',1795893148242,1795893148280,'',NULL,NULL,'','Once',NULL,60,NULL,NULL,0,'{}',X'',0);
INSERT INTO invocations VALUES(8,'t-01m8hs5fahfrtxrr35znv51p78','Running',1795893149009,NULL,'c-01m8hs5fahprc2a6kapt4dxy4d',NULL,NULL,'RunShellScript','Period','rate(1h)',60,NULL,NULL,0,'{}',X'6563686f20686f75726c79',0);
INSERT INTO invocations VALUES(9,'t-01m8hs5fstdy1pffn49g2bznzg','Running',1795893149498,NULL,'c-01m8hs5fsts33f1ea6p53s8f9s',NULL,NULL,'RunShellScript','Once','at(2026-12-24 10:00:00)',60,NULL,NULL,0,'{}',X'6563686f206c61746572',0);
INSERT INTO invocations VALUES(10,'t-01m8hs5g98sekbwv91wk11b75y','Finished',1795893149992,1795893153716,'c-01m8hs5g98jh17qm93513s5fe7',NULL,NULL,'RunShellScript','Once','at(2026-11-28 19:12:31)',60,NULL,NULL,0,'{}',X'6563686f20736f6f6e',0);
INSERT INTO invocations VALUES(11,'t-01m8hs6f69phw04jtzqn38ffpc','Running',1795893181641,NULL,'c-01m8hs6f69y48tpwkfr8b5mk0t',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c656570203630300a',0);
CREATE TABLE IF NOT EXISTS "outputs" (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            record_id TEXT NOT NULL UNIQUE REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES(1,'r-01m8hs5bjgh071njgpvd6h88j9','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES(2,'r-01m8hs5bz974yap08yb1vpwnn3','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES(3,'r-01m8hs5cm8h9eqfxf9c7rpqxxt','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES(4,'r-01m8hs5db3tvqeft5q26b3r37h','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES(5,'r-01m8hs5e6nkn0z16cc0q0yfbwx','5',5,0,X'626f74680a');
INSERT INTO outputs VALUES(6,'r-01m8hs5kx07rbm4z3e5xgq0bw3','5',5,0,X'736f6f6e0a');
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','invocation_words','invocation_words',0,'CREATE VIRTUAL TABLE invocation_words
        USING fts5(command_name, content, instance_names, content=''invocation_texts'', content_rowid=''number'')');
CREATE TABLE IF NOT EXISTS 'invocation_words_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO invocation_words_data VALUES(1,X'0a021e0b');
INSERT INTO invocation_words_data VALUES(10,X'000000000101010001010101');
INSERT INTO invocation_words_data VALUES(137438953473,X'0000014a02303203060101060101330306010108010336303001060101030104626f7468060601010301036461790406010104010601010401046563686f0206010102010801010204010601010201060101020106010102020601010201060101020106010102020272720306010105020378697403060101070103666172010601020205060102020203726f6d02060101040104676f6f6404060101030106010103020472656574040202010202010568656c6c6f020601010302056f75726c79080601010301056c61746572090601010302046f63616c02060102020106010202010601020201060102020106010203010601020201060102020106010202010601020201036f7574030601010301047061737402060101060105736c656570010601010202036f6f6e0a0601010301037468650206010105010377686f040601010501060101050408080a0b0f2f090a0f0a100c0c0c0c330a0b0c0a0a');
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
INSERT INTO invocation_words_docsize VALUES(8,X'000201');
INSERT INTO invocation_words_docsize VALUES(9,X'000201');
INSERT INTO invocation_words_docsize VALUES(10,X'000201');
CREATE TABLE IF NOT EXISTS 'invocation_words_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO invocation_words_config VALUES('version',4);
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','output_words','output_words',0,'CREATE VIRTUAL TABLE output_words USING fts5(data, content=''outputs'', content_rowid=''number'')');
CREATE TABLE IF NOT EXISTS 'output_words_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO output_words_data VALUES(1,X'060e');
INSERT INTO output_words_data VALUES(10,X'000000000101010001010101');
INSERT INTO output_words_data VALUES(137438953473,X'000000730530626f746805020201036461790302030102030103657272020203010466726f6d0102030104676f6f64030202010202010568656c6c6f01020201036f75740202020104706173740102050104736f6f6e06020201037468650102040105776f726c640402040103796f7503020404090b08090c0a080909080a');
CREATE TABLE IF NOT EXISTS 'output_words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
INSERT INTO output_words_idx VALUES(1,X'',2);
CREATE TABLE IF NOT EXISTS 'output_words_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
INSERT INTO output_words_docsize VALUES(1,X'04');
INSERT INTO output_words_docsize VALUES(2,X'02');
INSERT INTO output_words_docsize VALUES(3,X'03');
INSERT INTO output_words_docsize VALUES(4,X'03');
INSERT INTO output_words_docsize VALUES(5,X'01');
INSERT INTO output_words_docsize VALUES(6,X'01');
CREATE TABLE IF NOT EXISTS 'output_words_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO output_words_config VALUES('version',4);
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
        ;
INSERT INTO schedules VALUES('t-01m8hs5fahfrtxrr35znv51p78','rate(1h)',NULL,1795893149009,1795896749009,NULL,0,'skip',1000,NULL,'{}',1);
INSERT INTO schedules VALUES('t-01m8hs5fstdy1pffn49g2bznzg','at(2026-12-24 10:00:00)','UTC',1795893149498,1798106400000,NULL,0,'skip',1000,NULL,'{}',2);
INSERT INTO schedules VALUES('t-01m8hs5g98sekbwv91wk11b75y','at(2026-11-28 19:12:31)','Etc/UTC',1795893149992,NULL,1795893151000,0,'skip',1000,NULL,'{}',3);
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
        );
INSERT INTO slots VALUES(1,'t-01m8hs5g98sekbwv91wk11b75y','i-01m8hs5bj4b1gd6ye48sb5edtn',1795893151000,NULL,'Late',0,2693,'r-01m8hs5kx07rbm4z3e5xgq0bw3');
CREATE TABLE lease (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            owner TEXT NOT NULL,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            until_at INTEGER NOT NULL
        );
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('invocations',11);
INSERT INTO sqlite_sequence VALUES('outputs',6);
INSERT INTO sqlite_sequence VALUES('audit',19);
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
CREATE INDEX schedules_revision ON schedules (revision);
CREATE INDEX slots_place ON slots (invocation_id, instance_id);
CREATE INDEX slots_record ON slots (record_id) WHERE record_id IS NOT NULL;
PRAGMA writable_schema=OFF;
COMMIT;
PRAGMA user_version = 7;
