PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:11:25.941456+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:11:25.942541+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:11:25.943385+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'assist','0004_access','2026-11-28 19:11:25.944083+00:00');
INSERT INTO _sqlite_migrations VALUES(5,'assist','0005_transfers','2026-11-28 19:11:25.944333+00:00');
INSERT INTO _sqlite_migrations VALUES(6,'assist','0006_history','2026-11-28 19:11:25.949240+00:00');
INSERT INTO _sqlite_migrations VALUES(7,'assist','0007_schedules','2026-11-28 19:11:25.949883+00:00');
INSERT INTO _sqlite_migrations VALUES(8,'assist','0008_notices','2026-11-28 19:11:25.950314+00:00');
INSERT INTO _sqlite_migrations VALUES(9,'assist','0009_words','2026-11-28 19:11:25.950611+00:00');
INSERT INTO _sqlite_migrations VALUES(10,'assist','0010_overview','2026-11-28 19:11:25.950856+00:00');
INSERT INTO _sqlite_migrations VALUES(11,'assist','0011_unanswered','2026-11-28 19:11:25.951104+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','7f59211d26402556ddecd49b77e90a11');
INSERT INTO settings VALUES('search.outputs','6');
INSERT INTO settings VALUES('search.invocations','11');
INSERT INTO settings VALUES('quota.commands','400');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        , tags TEXT NOT NULL DEFAULT '{}', heard_at INTEGER);
INSERT INTO instances VALUES('i-01m8hs3fkjteve29pg7r7fe61h','far','unix:/tmp/far11/agentd.sock','linux',1795893086005,NULL,'{"role": "web", "site": "north"}',1795893086005);
INSERT INTO instances VALUES('i-01m8hs3krc2f34bfb7z9v0qh78','local','local','linux',1795893088023,NULL,'{}',1795893088023);
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
INSERT INTO invocation_instances VALUES('f-01m8hs3pygw5pp9drbm72twdb2','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3j6m008bxb62jq3fvz31','i-01m8hs3fkjteve29pg7r7fe61h',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3krrnpgv2fw9wz4r0585','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3m6sw1nr3bhr93c19q7j','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3mx9099k8avq2xexzame','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3nmgzpexbj0khnab9qyp','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3pms16dtyn8g3qqcnmbz','i-01m8hs3fkjteve29pg7r7fe61h',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3pms16dtyn8g3qqcnmbz','i-01m8hs3krc2f34bfb7z9v0qh78',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3qerkz55kwve7hsz0rx5','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs3qr2ttzxvqem4ay7d2ha','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs3r39kaf3zj9r6dk6hdk5','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3w6jhc9r2ag4ba9jwfzs','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Finished',5,1);
INSERT INTO invocation_instances VALUES('t-01m8hs4q5y5f7qnydnc92eds1j','i-01m8hs3krc2f34bfb7z9v0qh78',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hs3j6mvseb9ge97erzwxd9','t-01m8hs3j6m008bxb62jq3fvz31','i-01m8hs3fkjteve29pg7r7fe61h',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','222270542db114fc',1795893117487,1795893086487,NULL,1795893123949,NULL);
INSERT INTO records VALUES('r-01m8hs3krr83zxpg0hqygagvfs','t-01m8hs3krrnpgv2fw9wz4r0585','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',0,'','','37f232c261378303',1795893178052,1795893088052,1795893088063,1795893088064,NULL);
INSERT INTO records VALUES('r-01m8hs3m6s5twhakcm61m5y6yk','t-01m8hs3m6sw1nr3bhr93c19q7j','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','deae3609650682e1',1795893178518,1795893088518,1795893088522,1795893088524,NULL);
INSERT INTO records VALUES('r-01m8hs3mx9bmm685g75xf65b7q','t-01m8hs3mx9099k8avq2xexzame','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',0,'','','150e6313c696ab5f',1795893179238,1795893089238,1795893089248,1795893089250,NULL);
INSERT INTO records VALUES('r-01m8hs3nmg94f2ckr50r5k1ky4','t-01m8hs3nmgzpexbj0khnab9qyp','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',0,'','','1462dbaed7f687fa',1795893179976,1795893089976,1795893089988,1795893089989,NULL);
INSERT INTO records VALUES('r-01m8hs3pms6za8pt4p4fxcefsr','t-01m8hs3pms16dtyn8g3qqcnmbz','i-01m8hs3fkjteve29pg7r7fe61h',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far11/agentd.sock'': Connection refused','647d810c3bf152fd',1795893180969,NULL,NULL,1795893091012,NULL);
INSERT INTO records VALUES('r-01m8hs3pmsw6sv8715geh7fbjh','t-01m8hs3pms16dtyn8g3qqcnmbz','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',0,'','','647d810c3bf152fd',1795893181015,1795893091015,1795893091019,1795893091020,NULL);
INSERT INTO records VALUES('r-01m8hs3pygcq421nk8twmranxa','f-01m8hs3pygw5pp9drbm72twdb2','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',NULL,'','','ff3dfba2731bdff1',1795893181323,1795893091323,NULL,1795893091327,NULL);
INSERT INTO records VALUES('r-01m8hs3vmv5vh7an60tby21crv','t-01m8hs3r39kaf3zj9r6dk6hdk5','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',0,'','','0f852d029dca3b69',1795893186088,1795893096088,1795893096123,1795893096129,NULL);
INSERT INTO records VALUES('r-01m8hs3w6j12xdn2647pnawzz2','t-01m8hs3w6jhc9r2ag4ba9jwfzs','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Finished',5,'ExitCodeNonzero','the script ended with exit code 5','e088bca0e3a4094b',1795893186729,1795893096729,1795893096748,1795893096749,NULL);
INSERT INTO records VALUES('r-01m8hs4q5ykctgadkskg7nccvf','t-01m8hs4q5y5f7qnydnc92eds1j','i-01m8hs3krc2f34bfb7z9v0qh78',1,'Running',NULL,'','','0ce873857be695f8',1795893214332,1795893124332,NULL,NULL,NULL);
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hs3mhx2agw4dzyc7qahq47','greet','',1795893088829,1795893089569,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hs3mhx2agw4dzyc7qahq47',1,1795893088829,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hs3mhx2agw4dzyc7qahq47',2,1795893089569,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795893086005,'root',0,'console','instance.add','far (i-01m8hs3fkjteve29pg7r7fe61h)','at unix:/tmp/far11/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795893086198,'root',0,'console','instance.tag','far (i-01m8hs3fkjteve29pg7r7fe61h)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795893086420,'root',0,'console','invocation.run','t-01m8hs3j6m008bxb62jq3fvz31','a script of 9 bytes on far','Done');
INSERT INTO audit VALUES(4,1795893088024,'root',0,'console','invocation.run','t-01m8hs3krrnpgv2fw9wz4r0585','a script of 24 bytes on local','Done');
INSERT INTO audit VALUES(5,1795893088473,'root',0,'console','invocation.run','t-01m8hs3m6sw1nr3bhr93c19q7j','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795893088830,'root',0,'console','command.create','greet','c-01m8hs3mhx2agw4dzyc7qahq47','Done');
INSERT INTO audit VALUES(7,1795893089193,'root',0,'console','invocation.invoke','t-01m8hs3mx9099k8avq2xexzame','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795893089569,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hs3mhx2agw4dzyc7qahq47','Done');
INSERT INTO audit VALUES(9,1795893089936,'root',0,'console','invocation.invoke','t-01m8hs3nmgzpexbj0khnab9qyp','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795893090354,'root',0,'console','command.create','leaving','c-01m8hs3p1hxb00k29g8prfa0w3','Done');
INSERT INTO audit VALUES(11,1795893090653,'root',0,'console','command.delete','leaving','1 version, c-01m8hs3p1hxb00k29g8prfa0w3','Done');
INSERT INTO audit VALUES(12,1795893090969,'root',0,'console','invocation.run','t-01m8hs3pms16dtyn8g3qqcnmbz','a script of 9 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795893091280,'root',0,'console','file.send','f-01m8hs3pygw5pp9drbm72twdb2','9 bytes as /tmp/app-11.conf on local','Done');
INSERT INTO audit VALUES(14,1795893091520,'root',0,'console','accesskey.create','monitor','viewer on all instances, AKJTFV43Z9SPRTIG3E6V6N','Done');
INSERT INTO audit VALUES(15,1795893091800,'root',0,'console','invocation.run','t-01m8hs3qerkz55kwve7hsz0rx5','a script of 11 bytes on local, rate(1h)','Done');
INSERT INTO audit VALUES(16,1795893092098,'root',0,'console','invocation.run','t-01m8hs3qr2ttzxvqem4ay7d2ha','a script of 10 bytes on local, at(2026-12-24 10:00:00)','Done');
INSERT INTO audit VALUES(17,1795893092457,'root',0,'console','invocation.run','t-01m8hs3r39kaf3zj9r6dk6hdk5','a script of 9 bytes on local, at(2026-11-28 19:11:34)','Done');
INSERT INTO audit VALUES(18,1795893096658,'root',0,'console','invocation.run','t-01m8hs3w6jhc9r2ag4ba9jwfzs','a script of 6 bytes on local','Done');
INSERT INTO audit VALUES(19,1795893097129,'root',0,'console','notify.deliver','t-01m8hs3w6jhc9r2ag4ba9jwfzs','/bin/true: exit 0','Done');
INSERT INTO audit VALUES(20,1795893124286,'root',0,'console','invocation.run','t-01m8hs4q5y5f7qnydnc92eds1j','a script of 9 bytes on local','Done');
INSERT INTO audit VALUES(21,1795893124538,'root',0,'console','quota.set','commands','500 to 400','Done');
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
INSERT INTO access_keys VALUES('AKJTFV43Z9SPRTIG3E6V6N','monitor','4Wj6W4KBGxbzacpeFvwQmkQ5dhPcz0zOtiBSNsRi','viewer','[]',1,1795893091520,NULL);
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
INSERT INTO transfers VALUES('f-01m8hs3pygw5pp9drbm72twdb2','app-11.conf','/tmp',9,'6061b756d3df1fcb15bdcbc70f0310ef6612d8f83e9aaa38dd0b9fcce2a71503','0644',NULL,NULL,1);
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
INSERT INTO invocations VALUES(1,'t-01m8hs3j6m008bxb62jq3fvz31','Failed',1795893086420,1795893123949,'c-01m8hs3j6mbw5jzttyz0gcwgw6',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c65657020363030',0);
INSERT INTO invocations VALUES(2,'t-01m8hs3krrnpgv2fw9wz4r0585','Finished',1795893088024,1795893088064,'c-01m8hs3krrdfx6ptv31wf2a422',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d207468652070617374',0);
INSERT INTO invocations VALUES(3,'t-01m8hs3m6sw1nr3bhr93c19q7j','Finished',1795893088473,1795893088524,'c-01m8hs3m6s7zv8xc5p2qfvp4kx',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES(4,'t-01m8hs3mx9099k8avq2xexzame','Finished',1795893089193,1795893089250,'c-01m8hs3mhx2agw4dzyc7qahq47','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(5,'t-01m8hs3nmgzpexbj0khnab9qyp','Finished',1795893089936,1795893089989,'c-01m8hs3mhx2agw4dzyc7qahq47','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(6,'t-01m8hs3pms16dtyn8g3qqcnmbz','PartialFailed',1795893090969,1795893091020,'c-01m8hs3pmsx49xsz0vmhhwyg9r',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f7468',0);
INSERT INTO invocations VALUES(7,'f-01m8hs3pygw5pp9drbm72twdb2','Finished',1795893091280,1795893091327,'',NULL,NULL,'','Once',NULL,60,NULL,NULL,0,'{}',X'',0);
INSERT INTO invocations VALUES(8,'t-01m8hs3qerkz55kwve7hsz0rx5','Running',1795893091800,NULL,'c-01m8hs3qerk43kv5afjydkey2d',NULL,NULL,'RunShellScript','Period','rate(1h)',60,NULL,NULL,0,'{}',X'6563686f20686f75726c79',0);
INSERT INTO invocations VALUES(9,'t-01m8hs3qr2ttzxvqem4ay7d2ha','Running',1795893092098,NULL,'c-01m8hs3qr2f5t8w2wmya4eavg4',NULL,NULL,'RunShellScript','Once','at(2026-12-24 10:00:00)',60,NULL,NULL,0,'{}',X'6563686f206c61746572',0);
INSERT INTO invocations VALUES(10,'t-01m8hs3r39kaf3zj9r6dk6hdk5','Finished',1795893092457,1795893096129,'c-01m8hs3r394zac7e6a61ker42e',NULL,NULL,'RunShellScript','Once','at(2026-11-28 19:11:34)',60,NULL,NULL,0,'{}',X'6563686f20736f6f6e',0);
INSERT INTO invocations VALUES(11,'t-01m8hs3w6jhc9r2ag4ba9jwfzs','Finished',1795893096658,1795893096749,'c-01m8hs3w6jt4b7b6kjnhafjwec',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'657869742035',0);
INSERT INTO invocations VALUES(12,'t-01m8hs4q5y5f7qnydnc92eds1j','Running',1795893124286,NULL,'c-01m8hs4q5y65ch7m16mfae27m7',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c65657020363030',0);
CREATE TABLE IF NOT EXISTS "outputs" (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            record_id TEXT NOT NULL UNIQUE REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES(1,'r-01m8hs3krr83zxpg0hqygagvfs','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES(2,'r-01m8hs3m6s5twhakcm61m5y6yk','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES(3,'r-01m8hs3mx9bmm685g75xf65b7q','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES(4,'r-01m8hs3nmg94f2ckr50r5k1ky4','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES(5,'r-01m8hs3pmsw6sv8715geh7fbjh','5',5,0,X'626f74680a');
INSERT INTO outputs VALUES(6,'r-01m8hs3vmv5vh7an60tby21crv','5',5,0,X'736f6f6e0a');
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','invocation_words','invocation_words',0,'CREATE VIRTUAL TABLE invocation_words
        USING fts5(command_name, content, instance_names, content=''invocation_texts'', content_rowid=''number'')');
CREATE TABLE IF NOT EXISTS 'invocation_words_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO invocation_words_data VALUES(1,X'0b02200c');
INSERT INTO invocation_words_data VALUES(10,X'000000000101010001010101');
INSERT INTO invocation_words_data VALUES(137438953473,X'0000015c023032030601010601013303060101080101350b06010103010336303001060101030104626f7468060601010301036461790406010104010601010401046563686f02060101020108010102040106010102010601010201060101020206010102010601010201060101020202727203060101050203786974030601010708060101020103666172010601020205060102020203726f6d02060101040104676f6f6404060101030106010103020472656574040202010202010568656c6c6f020601010302056f75726c79080601010301056c61746572090601010302046f63616c020601020201060102020106010202010601020201060102030106010202010601020201060102020106010202010601020201036f7574030601010301047061737402060101060105736c656570010601010202036f6f6e0a0601010301037468650206010105010377686f04060101050106010105040808080a0b0f2f090f0f0a100c0c0c0c380a0b0c0a0a');
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
INSERT INTO invocation_words_docsize VALUES(11,X'000201');
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
INSERT INTO schedules VALUES('t-01m8hs3qerkz55kwve7hsz0rx5','rate(1h)',NULL,1795893091800,1795896691800,NULL,0,'skip',1000,NULL,'{}',1);
INSERT INTO schedules VALUES('t-01m8hs3qr2ttzxvqem4ay7d2ha','at(2026-12-24 10:00:00)','UTC',1795893092098,1798106400000,NULL,0,'skip',1000,NULL,'{}',2);
INSERT INTO schedules VALUES('t-01m8hs3r39kaf3zj9r6dk6hdk5','at(2026-11-28 19:11:34)','Etc/UTC',1795893092457,NULL,1795893094000,0,'skip',1000,NULL,'{}',3);
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
INSERT INTO slots VALUES(1,'t-01m8hs3r39kaf3zj9r6dk6hdk5','i-01m8hs3krc2f34bfb7z9v0qh78',1795893094000,NULL,'Late',0,2088,'r-01m8hs3vmv5vh7an60tby21crv');
CREATE TABLE lease (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            owner TEXT NOT NULL,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            until_at INTEGER NOT NULL
        );
CREATE TABLE notify (
            invocation_id TEXT PRIMARY KEY
                REFERENCES invocations (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
            target TEXT NOT NULL,
            occasion TEXT NOT NULL
        ) WITHOUT ROWID
        ;
INSERT INTO notify VALUES('t-01m8hs3w6jhc9r2ag4ba9jwfzs','/bin/true','end');
CREATE TABLE notices (
            number INTEGER PRIMARY KEY,
            invocation_id TEXT NOT NULL REFERENCES notify (invocation_id) ON DELETE CASCADE,
            firing_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_at INTEGER,
            delivered INTEGER NOT NULL DEFAULT 0,
            answer TEXT NOT NULL DEFAULT '',
            UNIQUE (invocation_id, firing_at)
        );
INSERT INTO notices VALUES(1,'t-01m8hs3w6jhc9r2ag4ba9jwfzs',0,1,NULL,1,'exit 0');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('invocations',12);
INSERT INTO sqlite_sequence VALUES('outputs',6);
INSERT INTO sqlite_sequence VALUES('audit',21);
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
CREATE INDEX slots_due ON slots (invocation_id, due_at) WHERE record_id IS NOT NULL;
CREATE INDEX notices_waiting ON notices (next_at) WHERE next_at IS NOT NULL;
CREATE TRIGGER output_words_go BEFORE DELETE ON outputs
        WHEN old.number <= (SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'search.outputs')
        BEGIN INSERT INTO output_words (output_words, rowid, data) VALUES ('delete', old.number, old.data); END;
CREATE TRIGGER invocation_words_go BEFORE DELETE ON invocations
        WHEN old.number <= (SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'search.invocations')
        BEGIN
            INSERT INTO invocation_words (invocation_words, rowid, command_name, content, instance_names)
            SELECT 'delete', number, command_name, content, instance_names FROM invocation_texts
            WHERE number = old.number;
        END;
CREATE INDEX records_failed ON records (finished_at)
        WHERE status = 'Failed' OR (status = 'Finished' AND exit_code <> 0)
        ;
CREATE INDEX records_unanswered ON records (finished_at) WHERE error_code = 'ClientNotResponse';
PRAGMA writable_schema=OFF;
COMMIT;
PRAGMA user_version = 10;
