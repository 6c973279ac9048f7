-- Runs as superuser. rivet_backup may copy the whole database cluster, which REPLICATION is for, and read no row of a tenant.
ALTER ROLE rivet_backup REPLICATION;
CREATE SCHEMA operations AUTHORIZATION rivet_owner;
SET ROLE rivet_owner;

-- One row that is written after others wrote: recovery to an instant stops at the first transaction after it, so there has to be one.
CREATE TABLE operations.heartbeat (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    beaten_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO operations.heartbeat DEFAULT VALUES;

GRANT USAGE ON SCHEMA operations TO rivet_backup, rivet_auditor;
GRANT SELECT ON operations.heartbeat TO rivet_auditor;
GRANT UPDATE (beaten_at) ON operations.heartbeat TO rivet_backup;
RESET ROLE;
