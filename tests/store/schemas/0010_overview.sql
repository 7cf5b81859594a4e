PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:10:43.756729+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:10:43.758353+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:10:43.759676+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'assist','0004_access','2026-11-28 19:10:43.760674+00:00');
INSERT INTO _sqlite_migrations VALUES(5,'assist','0005_transfers','2026-11-28 19:10:43.761145+00:00');
INSERT INTO _sqlite_migrations VALUES(6,'assist','0006_history','2026-11-28 19:10:43.768555+00:00');
INSERT INTO _sqlite_migrations VALUES(7,'assist','0007_schedules','2026-11-28 19:10:43.769553+00:00');
INSERT INTO _sqlite_migrations VALUES(8,'assist','0008_notices','2026-11-28 19:10:43.770309+00:00');
INSERT INTO _sqlite_migrations VALUES(9,'assist','0009_words','2026-11-28 19:10:43.770838+00:00');
INSERT INTO _sqlite_migrations VALUES(10,'assist','0010_overview','2026-11-28 19:10:43.771258+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','6fb00b5d5591c11eb6ee81c717b3933c');
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
INSERT INTO instances VALUES('i-01m8hs26cg39prm4mjxkxv4nw2','far','unix:/tmp/far10/agentd.sock','linux',1795893043861,NULL,'{"role": "web", "site": "north"}',1795893043861);
INSERT INTO instances VALUES('i-01m8hs2b5pqjrpf714pd5s1gvd','local','local','linux',1795893046466,NULL,'{}',1795893046466);
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
INSERT INTO invocation_instances VALUES('f-01m8hs2f6a78wwbbheccddxkz6','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs29a8czg9kjxd4zb79049','i-01m8hs26cg39prm4mjxkxv4nw2',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2b64s8q5w5sgjydx6zjb','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2brx23zp2vkwcptfrgb8','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2ckem2an6pymfdxg3ytx','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2ddz2nnmtavg08ejrf96','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2eme4bcp1r38f06skckq','i-01m8hs26cg39prm4mjxkxv4nw2',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2eme4bcp1r38f06skckq','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2g0c794jmdntv14vxm83','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs2ggd55m7rqzj2kxvcmfm','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs2h14gdj48n36zbejbyhq','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs2n8kt0bcm1t0hv032nqv','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Finished',5,1);
INSERT INTO invocation_instances VALUES('t-01m8hs3e6f363mqzj2tebm5a74','i-01m8hs2b5pqjrpf714pd5s1gvd',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hs29a85pdsnyy39w6w64qb','t-01m8hs29a8czg9kjxd4zb79049','i-01m8hs26cg39prm4mjxkxv4nw2',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','5a7ccc0eb10cde8a',1795893075657,1795893044657,NULL,1795893081893,NULL);
INSERT INTO records VALUES('r-01m8hs2b6412yhjgdbfwqza7fr','t-01m8hs2b64s8q5w5sgjydx6zjb','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',0,'','','e3bad8fa74383ce1',1795893136504,1795893046504,1795893046515,1795893046516,NULL);
INSERT INTO records VALUES('r-01m8hs2brwf2qe5njevk7np7jb','t-01m8hs2brx23zp2vkwcptfrgb8','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','c61de6a80a6b6a41',1795893137118,1795893047118,1795893047122,1795893047124,NULL);
INSERT INTO records VALUES('r-01m8hs2cke97fp2nrj24k7169y','t-01m8hs2ckem2an6pymfdxg3ytx','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',0,'','','3d3993e6cdd5a9f6',1795893137967,1795893047967,1795893047973,1795893047974,NULL);
INSERT INTO records VALUES('r-01m8hs2ddzn0zdecgs2d204fah','t-01m8hs2ddz2nnmtavg08ejrf96','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',0,'','','72a8f6b09e8e4fae',1795893138812,1795893048812,1795893048817,1795893048819,NULL);
INSERT INTO records VALUES('r-01m8hs2eme5r8sfqzbasc1a0jn','t-01m8hs2eme4bcp1r38f06skckq','i-01m8hs26cg39prm4mjxkxv4nw2',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far10/agentd.sock'': Connection refused','9495f8af048161b7',1795893139998,NULL,NULL,1795893050057,NULL);
INSERT INTO records VALUES('r-01m8hs2emedtywtda9khar4062','t-01m8hs2eme4bcp1r38f06skckq','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',0,'','','9495f8af048161b7',1795893140060,1795893050060,1795893050064,1795893050066,NULL);
INSERT INTO records VALUES('r-01m8hs2f6a5jbd4w33tanqqrwf','f-01m8hs2f6a78wwbbheccddxkz6','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',NULL,'','','9dc16e988e702865',1795893140619,1795893050619,NULL,1795893050626,NULL);
INSERT INTO records VALUES('r-01m8hs2msyhk5tzr5kxvr0e2v6','t-01m8hs2h14gdj48n36zbejbyhq','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',0,'','','df08d798d6a136bb',1795893146315,1795893056315,1795893056327,1795893056329,NULL);
INSERT INTO records VALUES('r-01m8hs2n8k3r2ev8jf68tx3djg','t-01m8hs2n8kt0bcm1t0hv032nqv','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Finished',5,'ExitCodeNonzero','the script ended with exit code 5','900c35d5c73e94a4',1795893146833,1795893056833,1795893056841,1795893056842,NULL);
INSERT INTO records VALUES('r-01m8hs3e6f27270zmdcm53v52y','t-01m8hs3e6f363mqzj2tebm5a74','i-01m8hs2b5pqjrpf714pd5s1gvd',1,'Running',NULL,'','','ea233edc48586341',1795893172368,1795893082368,NULL,NULL,NULL);
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hs2c698e4jakr6mxfr16vt','greet','',1795893047497,1795893048354,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hs2c698e4jakr6mxfr16vt',1,1795893047497,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hs2c698e4jakr6mxfr16vt',2,1795893048354,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795893043862,'root',0,'console','instance.add','far (i-01m8hs26cg39prm4mjxkxv4nw2)','at unix:/tmp/far10/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795893044163,'root',0,'console','instance.tag','far (i-01m8hs26cg39prm4mjxkxv4nw2)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795893044552,'root',0,'console','invocation.run','t-01m8hs29a8czg9kjxd4zb79049','a script of 9 bytes on far','Done');
INSERT INTO audit VALUES(4,1795893046468,'root',0,'console','invocation.run','t-01m8hs2b64s8q5w5sgjydx6zjb','a script of 24 bytes on local','Done');
INSERT INTO audit VALUES(5,1795893047068,'root',0,'console','invocation.run','t-01m8hs2brx23zp2vkwcptfrgb8','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795893047498,'root',0,'console','command.create','greet','c-01m8hs2c698e4jakr6mxfr16vt','Done');
INSERT INTO audit VALUES(7,1795893047918,'root',0,'console','invocation.invoke','t-01m8hs2ckem2an6pymfdxg3ytx','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795893048355,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hs2c698e4jakr6mxfr16vt','Done');
INSERT INTO audit VALUES(9,1795893048767,'root',0,'console','invocation.invoke','t-01m8hs2ddz2nnmtavg08ejrf96','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795893049195,'root',0,'console','command.create','leaving','c-01m8hs2dvb48t47t3aaj9w2yyg','Done');
INSERT INTO audit VALUES(11,1795893049573,'root',0,'console','command.delete','leaving','1 version, c-01m8hs2dvb48t47t3aaj9w2yyg','Done');
INSERT INTO audit VALUES(12,1795893049998,'root',0,'console','invocation.run','t-01m8hs2eme4bcp1r38f06skckq','a script of 9 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795893050570,'root',0,'console','file.send','f-01m8hs2f6a78wwbbheccddxkz6','9 bytes as /tmp/app-10.conf on local','Done');
INSERT INTO audit VALUES(14,1795893050919,'root',0,'console','accesskey.create','monitor','viewer on all instances, AK5HKPN3OG5M7J027KWM5C','Done');
INSERT INTO audit VALUES(15,1795893051404,'root',0,'console','invocation.run','t-01m8hs2g0c794jmdntv14vxm83','a script of 11 bytes on local, rate(1h)','Done');
INSERT INTO audit VALUES(16,1795893051917,'root',0,'console','invocation.run','t-01m8hs2ggd55m7rqzj2kxvcmfm','a script of 10 bytes on local, at(2026-12-24 10:00:00)','Done');
INSERT INTO audit VALUES(17,1795893052452,'root',0,'console','invocation.run','t-01m8hs2h14gdj48n36zbejbyhq','a script of 9 bytes on local, at(2026-11-28 19:10:54)','Done');
INSERT INTO audit VALUES(18,1795893056787,'root',0,'console','invocation.run','t-01m8hs2n8kt0bcm1t0hv032nqv','a script of 6 bytes on local','Done');
INSERT INTO audit VALUES(19,1795893057048,'root',0,'console','notify.deliver','t-01m8hs2n8kt0bcm1t0hv032nqv','/bin/true: exit 0','Done');
INSERT INTO audit VALUES(20,1795893082319,'root',0,'console','invocation.run','t-01m8hs3e6f363mqzj2tebm5a74','a script of 9 bytes on local','Done');
INSERT INTO audit VALUES(21,1795893082604,'root',0,'console','quota.set','commands','500 to 400','Done');
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
INSERT INTO access_keys VALUES('AK5HKPN3OG5M7J027KWM5C','monitor','4jArw3JCGUjKHwepBLtko1GjGWfsH9AWEjaEu7ZR','viewer','[]',1,1795893050918,NULL);
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
INSERT INTO transfers VALUES('f-01m8hs2f6a78wwbbheccddxkz6','app-10.conf','/tmp',9,'6061b756d3df1fcb15bdcbc70f0310ef6612d8f83e9aaa38dd0b9fcce2a71503','0644',NULL,NULL,1);
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
INSERT INTO invocations VALUES(1,'t-01m8hs29a8czg9kjxd4zb79049','Failed',1795893044552,1795893081893,'c-01m8hs29a8vy0cyhxpywsr7hga',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c65657020363030',0);
INSERT INTO invocations VALUES(2,'t-01m8hs2b64s8q5w5sgjydx6zjb','Finished',1795893046468,1795893046516,'c-01m8hs2b64sh0k5ah13hawa6v4',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d207468652070617374',0);
INSERT INTO invocations VALUES(3,'t-01m8hs2brx23zp2vkwcptfrgb8','Finished',1795893047068,1795893047124,'c-01m8hs2brxvvtj8fgrehf76f11',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES(4,'t-01m8hs2ckem2an6pymfdxg3ytx','Finished',1795893047918,1795893047974,'c-01m8hs2c698e4jakr6mxfr16vt','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(5,'t-01m8hs2ddz2nnmtavg08ejrf96','Finished',1795893048767,1795893048819,'c-01m8hs2c698e4jakr6mxfr16vt','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(6,'t-01m8hs2eme4bcp1r38f06skckq','PartialFailed',1795893049998,1795893050066,'c-01m8hs2emeq52rt0e5gf2t8pnb',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f7468',0);
INSERT INTO invocations VALUES(7,'f-01m8hs2f6a78wwbbheccddxkz6','Finished',1795893050570,1795893050626,'',NULL,NULL,'','Once',NULL,60,NULL,NULL,0,'{}',X'',0);
INSERT INTO invocations VALUES(8,'t-01m8hs2g0c794jmdntv14vxm83','Running',1795893051404,NULL,'c-01m8hs2g0c53f6p799w00w0tm5',NULL,NULL,'RunShellScript','Period','rate(1h)',60,NULL,NULL,0,'{}',X'6563686f20686f75726c79',0);
INSERT INTO invocations VALUES(9,'t-01m8hs2ggd55m7rqzj2kxvcmfm','Running',1795893051917,NULL,'c-01m8hs2ggdmv20sntf1v9rwenr',NULL,NULL,'RunShellScript','Once','at(2026-12-24 10:00:00)',60,NULL,NULL,0,'{}',X'6563686f206c61746572',0);
INSERT INTO invocations VALUES(10,'t-01m8hs2h14gdj48n36zbejbyhq','Finished',1795893052452,1795893056329,'c-01m8hs2h14kgentdb7h8mektwx',NULL,NULL,'RunShellScript','Once','at(2026-11-28 19:10:54)',60,NULL,NULL,0,'{}',X'6563686f20736f6f6e',0);
INSERT INTO invocations VALUES(11,'t-01m8hs2n8kt0bcm1t0hv032nqv','Finished',1795893056787,1795893056842,'c-01m8hs2n8k36wbmb4z6sfbpvcc',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'657869742035',0);
INSERT INTO invocations VALUES(12,'t-01m8hs3e6f363mqzj2tebm5a74','Running',1795893082319,NULL,'c-01m8hs3e6f85ndxrw42r4eacmt',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c65657020363030',0);
CREATE TABLE IF NOT EXISTS "outputs" (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            record_id TEXT NOT NULL UNIQUE REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES(1,'r-01m8hs2b6412yhjgdbfwqza7fr','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES(2,'r-01m8hs2brwf2qe5njevk7np7jb','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES(3,'r-01m8hs2cke97fp2nrj24k7169y','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES(4,'r-01m8hs2ddzn0zdecgs2d204fah','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES(5,'r-01m8hs2emedtywtda9khar4062','5',5,0,X'626f74680a');
INSERT INTO outputs VALUES(6,'r-01m8hs2msyhk5tzr5kxvr0e2v6','5',5,0,X'736f6f6e0a');
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
INSERT INTO schedules VALUES('t-01m8hs2g0c794jmdntv14vxm83','rate(1h)',NULL,1795893051404,1795896651404,NULL,0,'skip',1000,NULL,'{}',1);
INSERT INTO schedules VALUES('t-01m8hs2ggd55m7rqzj2kxvcmfm','at(2026-12-24 10:00:00)','UTC',1795893051917,1798106400000,NULL,0,'skip',1000,NULL,'{}',2);
INSERT INTO schedules VALUES('t-01m8hs2h14gdj48n36zbejbyhq','at(2026-11-28 19:10:54)','Etc/UTC',1795893052452,NULL,1795893054000,0,'skip',1000,NULL,'{}',3);
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
INSERT INTO slots VALUES(1,'t-01m8hs2h14gdj48n36zbejbyhq','i-01m8hs2b5pqjrpf714pd5s1gvd',1795893054000,NULL,'Late',0,2315,'r-01m8hs2msyhk5tzr5kxvr0e2v6');
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
INSERT INTO notify VALUES('t-01m8hs2n8kt0bcm1t0hv032nqv','/bin/true','end');
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
INSERT INTO notices VALUES(1,'t-01m8hs2n8kt0bcm1t0hv032nqv',0,1,NULL,1,'exit 0');
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
PRAGMA writable_schema=OFF;
COMMIT;
PRAGMA user_version = 10;
