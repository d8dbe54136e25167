-- Run once by PostgreSQL's image on an empty volume, as its superuser: the application's own role
-- owns its own database and may do nothing beside it.
\set password `cat /run/secrets/database/carelink`
CREATE ROLE carelink LOGIN PASSWORD :'password' CONNECTION LIMIT 200;
CREATE DATABASE carelink OWNER carelink;
REVOKE ALL ON DATABASE carelink FROM PUBLIC;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
