-- Run once by PostgreSQL's image on an empty volume, as its superuser. `carelink_owner` migrates:
-- it owns the database and its tables. `carelink` serves: it reads and writes rows, and can switch
-- off none of the triggers that keep the audit trail from being changed.
\set owner `cat /run/secrets/database/carelink_owner`
\set password `cat /run/secrets/database/carelink`
CREATE ROLE carelink_owner LOGIN PASSWORD :'owner' CONNECTION LIMIT 10;
CREATE ROLE carelink LOGIN PASSWORD :'password' CONNECTION LIMIT 200;
CREATE DATABASE carelink OWNER carelink_owner;
REVOKE ALL ON DATABASE carelink FROM PUBLIC;
GRANT CONNECT ON DATABASE carelink TO carelink;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
\connect carelink
ALTER DEFAULT PRIVILEGES FOR ROLE carelink_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO carelink;
ALTER DEFAULT PRIVILEGES FOR ROLE carelink_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO carelink;
