PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:10:00.657996+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'assist','0002_commands','2026-11-28 19:10:00.664144+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'assist','0003_fleet','2026-11-28 19:10:00.665687+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'assist','0004_access','2026-11-28 19:10:00.666826+00:00');
INSERT INTO _sqlite_migrations VALUES(5,'assist','0005_transfers','2026-11-28 19:10:00.667386+00:00');
INSERT INTO _sqlite_migrations VALUES(6,'assist','0006_history','2026-11-28 19:10:00.675525+00:00');
INSERT INTO _sqlite_migrations VALUES(7,'assist','0007_schedules','2026-11-28 19:10:00.677616+00:00');
INSERT INTO _sqlite_migrations VALUES(8,'assist','0008_notices','2026-11-28 19:10:00.678498+00:00');
INSERT INTO _sqlite_migrations VALUES(9,'assist','0009_words','2026-11-28 19:10:00.679071+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','d15e8b871558a0ee47cfe1d2344e2a36');
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
INSERT INTO instances VALUES('i-01m8hs0wam2qs1yzmhdv3kzjw3','far','unix:/tmp/far9/agentd.sock','linux',1795893000771,NULL,'{"role": "web", "site": "north"}',1795893000771);
INSERT INTO instances VALUES('i-01m8hs12ncs0swjxn5zjxe8hjs','local','local','linux',1795893005012,NULL,'{}',1795893005012);
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
INSERT INTO invocation_instances VALUES('f-01m8hs1cr4dzzwvnby5fd1f7q3','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs0zf7xvyppbv8g8mnzb40','i-01m8hs0wam2qs1yzmhdv3kzjw3',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs12pn4xcvbkxkm21ma0ed','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs147hsxrezvhkf2b9dqpz','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Finished',3,1);
INSERT INTO invocation_instances VALUES('t-01m8hs15msjcefhtae6gwksrwe','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs177ra11ygpznt3qgdzdz','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1b0jkn74zpx4dfc18wx0','i-01m8hs0wam2qs1yzmhdv3kzjw3',0,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1b0jkn74zpx4dfc18wx0','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1epvb3edzdadqf346jk3','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs1gwe1p0anzp0db69y0d6','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Running',NULL,0);
INSERT INTO invocation_instances VALUES('t-01m8hs1jngdstr0b09q3y4tm3d','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Finished',0,1);
INSERT INTO invocation_instances VALUES('t-01m8hs1qj02myj6dj9rfjh4vd3','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Finished',5,1);
INSERT INTO invocation_instances VALUES('t-01m8hs24wrjyah9nrvwspcdndd','i-01m8hs12ncs0swjxn5zjxe8hjs',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m8hs0zf729fv9rgeq19pjbk9','t-01m8hs0zf7xvyppbv8g8mnzb40','i-01m8hs0wam2qs1yzmhdv3kzjw3',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it until its deadline; it may have run','4fa57f2f8b937f7f',1795893032883,1795893001883,NULL,1795893039594,NULL);
INSERT INTO records VALUES('r-01m8hs12pnrq9j4my7acam7frq','t-01m8hs12pn4xcvbkxkm21ma0ed','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',0,'','','61a89c04613337ba',1795893095156,1795893005156,1795893005207,1795893005208,NULL);
INSERT INTO records VALUES('r-01m8hs147h6s6j013jtp1nbk0e','t-01m8hs147hsxrezvhkf2b9dqpz','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','8ce80f207cc40c4b',1795893096704,1795893006704,1795893006733,1795893006734,NULL);
INSERT INTO records VALUES('r-01m8hs15msh70z46wwan4v2285','t-01m8hs15msjcefhtae6gwksrwe','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',0,'','','98a9146971b0c058',1795893098145,1795893008145,1795893008162,1795893008163,NULL);
INSERT INTO records VALUES('r-01m8hs177r8k98731q4cgv77p4','t-01m8hs177ra11ygpznt3qgdzdz','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',0,'','','8ce9cdb228749325',1795893099734,1795893009734,1795893009763,1795893009764,NULL);
INSERT INTO records VALUES('r-01m8hs1b0jatxaf781s6d9rw45','t-01m8hs1b0jkn74zpx4dfc18wx0','i-01m8hs0wam2qs1yzmhdv3kzjw3',1,'Failed',NULL,'ClientNotRunning','cannot reach an agent at ''/tmp/far9/agentd.sock'': Connection refused','1658019801db8922',1795893103522,NULL,NULL,1795893013680,NULL);
INSERT INTO records VALUES('r-01m8hs1b0jk0yphtykfv0pvvxv','t-01m8hs1b0jkn74zpx4dfc18wx0','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',0,'','','1658019801db8922',1795893103708,1795893013708,1795893013739,1795893013740,NULL);
INSERT INTO records VALUES('r-01m8hs1cr473epx7pwd599bcdw','f-01m8hs1cr4dzzwvnby5fd1f7q3','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',NULL,'','','0516de1b45c9a23a',1795893105359,1795893015359,NULL,1795893015369,NULL);
INSERT INTO records VALUES('r-01m8hs1pz6hrgxc1jqtapg6x31','t-01m8hs1jngdstr0b09q3y4tm3d','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',0,'','','c7b5f9b5d61b8b11',1795893115763,1795893025763,1795893025780,1795893025788,NULL);
INSERT INTO records VALUES('r-01m8hs1qj0p4vk470c1g0rtdwv','t-01m8hs1qj02myj6dj9rfjh4vd3','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Finished',5,'ExitCodeNonzero','the script ended with exit code 5','ab1c242d479375a3',1795893116417,1795893026417,1795893026423,1795893026424,NULL);
INSERT INTO records VALUES('r-01m8hs24wr3rz0zgp1emjw8f3r','t-01m8hs24wrjyah9nrvwspcdndd','i-01m8hs12ncs0swjxn5zjxe8hjs',1,'Running',NULL,'','','1b5650542c7ea6ef',1795893130076,1795893040076,NULL,NULL,NULL);
CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        );
INSERT INTO commands VALUES('c-01m8hs150n51hhp306jh58kt9k','greet','',1795893007381,1795893008892,2,2);
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
INSERT INTO command_versions VALUES('c-01m8hs150n51hhp306jh58kt9k',1,1795893007381,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22');
INSERT INTO command_versions VALUES('c-01m8hs150n51hhp306jh58kt9k',2,1795893008892,'RunShellScript',NULL,60,1,'[["who", "", "world", [], null, false]]',X'6563686f2022676f6f64206d6f726e696e672c207b7b77686f7d7d22');
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
INSERT INTO audit VALUES(1,1795893000772,'root',0,'console','instance.add','far (i-01m8hs0wam2qs1yzmhdv3kzjw3)','at unix:/tmp/far9/agentd.sock','Done');
INSERT INTO audit VALUES(2,1795893001118,'root',0,'console','instance.tag','far (i-01m8hs0wam2qs1yzmhdv3kzjw3)','role=web, site=north','Done');
INSERT INTO audit VALUES(3,1795893001703,'root',0,'console','invocation.run','t-01m8hs0zf7xvyppbv8g8mnzb40','a script of 10 bytes on far','Done');
INSERT INTO audit VALUES(4,1795893005013,'root',0,'console','invocation.run','t-01m8hs12pn4xcvbkxkm21ma0ed','a script of 25 bytes on local','Done');
INSERT INTO audit VALUES(5,1795893006577,'root',0,'console','invocation.run','t-01m8hs147hsxrezvhkf2b9dqpz','a script of 30 bytes on local','Done');
INSERT INTO audit VALUES(6,1795893007387,'root',0,'console','command.create','greet','c-01m8hs150n51hhp306jh58kt9k','Done');
INSERT INTO audit VALUES(7,1795893008025,'root',0,'console','invocation.invoke','t-01m8hs15msjcefhtae6gwksrwe','greet@1 on local with who','Done');
INSERT INTO audit VALUES(8,1795893008892,'root',0,'console','command.clone','greet','version 2 from version 1, c-01m8hs150n51hhp306jh58kt9k','Done');
INSERT INTO audit VALUES(9,1795893009656,'root',0,'console','invocation.invoke','t-01m8hs177ra11ygpznt3qgdzdz','greet@1 on local with who','Done');
INSERT INTO audit VALUES(10,1795893010692,'root',0,'console','command.create','leaving','c-01m8hs18714th972dc27zhejn1','Done');
INSERT INTO audit VALUES(11,1795893012003,'root',0,'console','command.delete','leaving','1 versions, c-01m8hs18714th972dc27zhejn1','Done');
INSERT INTO audit VALUES(12,1795893013522,'root',0,'console','invocation.run','t-01m8hs1b0jkn74zpx4dfc18wx0','a script of 10 bytes on far, local','Done');
INSERT INTO audit VALUES(13,1795893015300,'root',0,'console','file.send','f-01m8hs1cr4dzzwvnby5fd1f7q3','9 bytes as /tmp/app-9.conf on local','Done');
INSERT INTO audit VALUES(14,1795893015905,'root',0,'console','accesskey.create','monitor','viewer on all instances, AKLFTPEER5YDL486M9WHY7','Done');
INSERT INTO audit VALUES(15,1795893017307,'root',0,'console','invocation.run','t-01m8hs1epvb3edzdadqf346jk3','a script of 11 bytes on local, rate(1h)','Done');
INSERT INTO audit VALUES(16,1795893019534,'root',0,'console','invocation.run','t-01m8hs1gwe1p0anzp0db69y0d6','a script of 10 bytes on local, at(2026-12-24 10:00:00)','Done');
INSERT INTO audit VALUES(17,1795893021360,'root',0,'console','invocation.run','t-01m8hs1jngdstr0b09q3y4tm3d','a script of 9 bytes on local, at(2026-11-28 19:10:23)','Done');
INSERT INTO audit VALUES(18,1795893026368,'root',0,'console','invocation.run','t-01m8hs1qj02myj6dj9rfjh4vd3','a script of 6 bytes on local','Done');
INSERT INTO audit VALUES(19,1795893026858,'root',0,'console','notify.deliver','t-01m8hs1qj02myj6dj9rfjh4vd3','/bin/true: exit 0','Done');
INSERT INTO audit VALUES(20,1795893040024,'root',0,'console','invocation.run','t-01m8hs24wrjyah9nrvwspcdndd','a script of 10 bytes on local','Done');
INSERT INTO audit VALUES(21,1795893040322,'root',0,'console','quota.set','commands','500 to 400','Done');
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
INSERT INTO access_keys VALUES('AKLFTPEER5YDL486M9WHY7','monitor','pAs5l8cQQjTjMTbbRWzRoyBeHuhxza939LCwd0ld','viewer','[]',1,1795893015905,NULL);
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
INSERT INTO transfers VALUES('f-01m8hs1cr4dzzwvnby5fd1f7q3','app-9.conf','/tmp',9,'6061b756d3df1fcb15bdcbc70f0310ef6612d8f83e9aaa38dd0b9fcce2a71503','0644',NULL,NULL,1);
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
INSERT INTO invocations VALUES(1,'t-01m8hs0zf7xvyppbv8g8mnzb40','Failed',1795893001703,1795893039594,'c-01m8hs0zf7akdp2afhp62q0m01',NULL,NULL,'RunShellScript','Once',NULL,1,NULL,NULL,0,'{}',X'736c656570203630300a',0);
INSERT INTO invocations VALUES(2,'t-01m8hs12pn4xcvbkxkm21ma0ed','Finished',1795893005013,1795893005208,'c-01m8hs12pnjyn9bqr3wrtxwgxa',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d2074686520706173740a',0);
INSERT INTO invocations VALUES(3,'t-01m8hs147hsxrezvhkf2b9dqpz','Finished',1795893006577,1795893006734,'c-01m8hs147h36hx47dj2qg9r0th',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f206f75743b206563686f20657272203e26323b20657869742033',0);
INSERT INTO invocations VALUES(4,'t-01m8hs15msjcefhtae6gwksrwe','Finished',1795893008025,1795893008163,'c-01m8hs150n51hhp306jh58kt9k','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "you"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(5,'t-01m8hs177ra11ygpznt3qgdzdz','Finished',1795893009656,1795893009764,'c-01m8hs150n51hhp306jh58kt9k','greet',1,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{"who": "world"}',X'6563686f2022676f6f64206461792c207b7b77686f7d7d22',1);
INSERT INTO invocations VALUES(6,'t-01m8hs1b0jkn74zpx4dfc18wx0','PartialFailed',1795893013522,1795893013740,'c-01m8hs1b0jhssrztvw3gjfy7z8',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f20626f74680a',0);
INSERT INTO invocations VALUES(7,'f-01m8hs1cr4dzzwvnby5fd1f7q3','Finished',1795893015300,1795893015369,'',NULL,NULL,'','Once',NULL,60,NULL,NULL,0,'{}',X'',0);
INSERT INTO invocations VALUES(8,'t-01m8hs1epvb3edzdadqf346jk3','Running',1795893017307,NULL,'c-01m8hs1epvwsx4mg0kyhhhdqap',NULL,NULL,'RunShellScript','Period','rate(1h)',60,NULL,NULL,0,'{}',X'6563686f20686f75726c79',0);
INSERT INTO invocations VALUES(9,'t-01m8hs1gwe1p0anzp0db69y0d6','Running',1795893019534,NULL,'c-01m8hs1gwe4ghkgbax1m653855',NULL,NULL,'RunShellScript','Once','at(2026-12-24 10:00:00)',60,NULL,NULL,0,'{}',X'6563686f206c61746572',0);
INSERT INTO invocations VALUES(10,'t-01m8hs1jngdstr0b09q3y4tm3d','Finished',1795893021360,1795893025788,'c-01m8hs1jngdmmgnxt7n73013ej',NULL,NULL,'RunShellScript','Once','at(2026-11-28 19:10:23)',60,NULL,NULL,0,'{}',X'6563686f20736f6f6e',0);
INSERT INTO invocations VALUES(11,'t-01m8hs1qj02myj6dj9rfjh4vd3','Finished',1795893026368,1795893026424,'c-01m8hs1qj0zc3bdsyp147qkpcz',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'657869742035',0);
INSERT INTO invocations VALUES(12,'t-01m8hs24wrjyah9nrvwspcdndd','Running',1795893040024,NULL,'c-01m8hs24wr21s40p5d77dn1jjh',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c656570203630300a',0);
CREATE TABLE IF NOT EXISTS "outputs" (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            record_id TEXT NOT NULL UNIQUE REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES(1,'r-01m8hs12pnrq9j4my7acam7frq','20',20,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES(2,'r-01m8hs147h6s6j013jtp1nbk0e','4 4',8,0,X'6f75740a6572720a');
INSERT INTO outputs VALUES(3,'r-01m8hs15msh70z46wwan4v2285','14',14,0,X'676f6f64206461792c20796f750a');
INSERT INTO outputs VALUES(4,'r-01m8hs177r8k98731q4cgv77p4','16',16,0,X'676f6f64206461792c20776f726c640a');
INSERT INTO outputs VALUES(5,'r-01m8hs1b0jk0yphtykfv0pvvxv','5',5,0,X'626f74680a');
INSERT INTO outputs VALUES(6,'r-01m8hs1pz6hrgxc1jqtapg6x31','5',5,0,X'736f6f6e0a');
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
INSERT INTO schedules VALUES('t-01m8hs1epvb3edzdadqf346jk3','rate(1h)',NULL,1795893017307,1795896617307,NULL,0,'skip',1000,NULL,'{}',1);
INSERT INTO schedules VALUES('t-01m8hs1gwe1p0anzp0db69y0d6','at(2026-12-24 10:00:00)','UTC',1795893019534,1798106400000,NULL,0,'skip',1000,NULL,'{}',2);
INSERT INTO schedules VALUES('t-01m8hs1jngdstr0b09q3y4tm3d','at(2026-11-28 19:10:23)','Etc/UTC',1795893021360,NULL,1795893023000,0,'skip',1000,NULL,'{}',3);
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
INSERT INTO slots VALUES(1,'t-01m8hs1jngdstr0b09q3y4tm3d','i-01m8hs12ncs0swjxn5zjxe8hjs',1795893023000,NULL,'Late',0,2763,'r-01m8hs1pz6hrgxc1jqtapg6x31');
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
INSERT INTO notify VALUES('t-01m8hs1qj02myj6dj9rfjh4vd3','/bin/true','end');
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
INSERT INTO notices VALUES(1,'t-01m8hs1qj02myj6dj9rfjh4vd3',0,1,NULL,1,'exit 0');
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
PRAGMA writable_schema=OFF;
COMMIT;
PRAGMA user_version = 9;
