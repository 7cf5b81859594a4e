PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'assist','0001_run','2026-11-28 19:12:20.603876+00:00');
CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        );
INSERT INTO settings VALUES('controller','98d7170377bd8541121e720555708620');
CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        );
INSERT INTO instances VALUES('i-01m83t4cm02q68vrb4ywbnq1g1','local','local',NULL,1795424400000,NULL);
INSERT INTO instances VALUES('i-01m83t4cm0ze7c2xdymv43s6yp','far','unix:/tmp/far1/agentd.sock',NULL,1795424400000,NULL);
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
        );
INSERT INTO invocations VALUES('t-01m83t6770rbyjqzs6pw71jgfc','Finished',1795424460000,1795424460000,'c-01m83t6770pk0337zarssf1ww4',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'6563686f2068656c6c6f2066726f6d207468652070617374');
INSERT INTO invocations VALUES('t-01m83t81t05gthde2zbk7tqed4','PartialFailed',1795424520000,1795424520000,'c-01m83t81t0aygqrypnnr8yqpjf',NULL,NULL,'RunShellScript','Once',NULL,60,'/tmp','nobody',0,'{"x": "café"}',X'6563686f207b7b787d7d3b20657869742033');
INSERT INTO invocations VALUES('t-01m83t9wd0c5nhskmm0879temp','Running',1795424580000,NULL,'c-01m83t9wd0937k3h2w2db4677n',NULL,NULL,'RunShellScript','Once',NULL,60,NULL,NULL,0,'{}',X'736c65657020363030');
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
INSERT INTO invocation_instances VALUES('t-01m83t6770rbyjqzs6pw71jgfc','i-01m83t4cm02q68vrb4ywbnq1g1',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m83t81t05gthde2zbk7tqed4','i-01m83t4cm02q68vrb4ywbnq1g1',0,'local','Finished',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m83t81t05gthde2zbk7tqed4','i-01m83t4cm0ze7c2xdymv43s6yp',1,'far','Failed',NULL,1);
INSERT INTO invocation_instances VALUES('t-01m83t9wd0c5nhskmm0879temp','i-01m83t4cm02q68vrb4ywbnq1g1',0,'local','Running',NULL,1);
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
INSERT INTO records VALUES('r-01m83t6770z6espneffp79m7pb','t-01m83t6770rbyjqzs6pw71jgfc','i-01m83t4cm02q68vrb4ywbnq1g1',1,'Finished',0,'','','s1',1795424550000,1795424460000,1795424460000,1795424460000,NULL);
INSERT INTO records VALUES('r-01m83t81t0cgzqn23j9mch14fb','t-01m83t81t05gthde2zbk7tqed4','i-01m83t4cm02q68vrb4ywbnq1g1',1,'Finished',3,'ExitCodeNonzero','the script ended with exit code 3','s1',1795424610000,1795424520000,1795424520000,1795424520000,NULL);
INSERT INTO records VALUES('r-01m83t81t0vtgtnf2q5334gkg3','t-01m83t81t05gthde2zbk7tqed4','i-01m83t4cm0ze7c2xdymv43s6yp',1,'Failed',NULL,'ClientNotResponse','nothing was heard of it','s1',1795424610000,1795424520000,NULL,1795424520000,NULL);
INSERT INTO records VALUES('r-01m83t9wd0d34xh4hydjmvepvk','t-01m83t9wd0c5nhskmm0879temp','i-01m83t4cm02q68vrb4ywbnq1g1',1,'Running',NULL,'','','s1',1795424670000,1795424580000,NULL,NULL,NULL);
CREATE TABLE outputs (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        );
INSERT INTO outputs VALUES('r-01m83t6770z6espneffp79m7pb','20',0,0,X'68656c6c6f2066726f6d2074686520706173740a');
INSERT INTO outputs VALUES('r-01m83t81t0cgzqn23j9mch14fb','6',0,0,X'7b7b787d7d0a');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX instances_name ON instances (name) WHERE removed_at IS NULL;
CREATE INDEX records_open ON records (invocation_id) WHERE status IN ('Running', 'Stopping');
COMMIT;
PRAGMA user_version = 1;
