-- What a workspace is besides its objects: invitations to it, notices to its people, invoices.
SET ROLE rivet_owner;

-- Whoever is invited has no password yet. A name is what a member chose to be called.
ALTER TABLE app.members
    ALTER COLUMN password_hash DROP NOT NULL,
    ADD COLUMN name text NOT NULL DEFAULT '',
    ADD COLUMN can_log_in boolean GENERATED ALWAYS AS (password_hash IS NOT NULL) STORED;

-- What the API checks the database checks too.
ALTER TABLE app.workspaces
    DROP CONSTRAINT workspaces_retention_days_check,
    ADD CONSTRAINT workspaces_retention_days_check CHECK (retention_days BETWEEN 1 AND 365);

-- Of an invitation's token only the SHA-256 digest is kept; it works once.
CREATE TABLE app.invitations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    member_id uuid NOT NULL,
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    FOREIGN KEY (workspace_id, member_id) REFERENCES app.members (workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE app.notices (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z_]*$'),
    title text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Invoices outlive their workspace, by law: then they say no more whose they were. account is a pseudonym made at random then.
CREATE TABLE app.invoices (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid REFERENCES app.workspaces,
    account text NOT NULL,
    billed_to text NOT NULL,
    plan text NOT NULL,
    cents integer NOT NULL CHECK (cents >= 0),
    currency text NOT NULL DEFAULT 'EUR',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON app.invitations (workspace_id, member_id);
CREATE INDEX ON app.notices (workspace_id, created_at);
CREATE INDEX ON app.invoices (workspace_id, created_at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app.invitations', 'app.notices', 'app.invoices'] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %s TO rivet_application USING (workspace_id = app.current_workspace())', name);
        EXECUTE format('CREATE POLICY audit ON %s FOR SELECT TO rivet_auditor USING (true)', name);
        EXECUTE format('GRANT SELECT ON %s TO rivet_auditor', name);
        EXECUTE format('GRANT SELECT ON %s TO rivet_application', name);
    END LOOP;
END $$;

GRANT INSERT ON app.invitations, app.notices TO rivet_application;
GRANT UPDATE (accepted_at) ON app.invitations TO rivet_application;
GRANT SELECT (name, can_log_in), INSERT (id, workspace_id, email, name, role), DELETE ON app.members TO rivet_application;
GRANT UPDATE (name, role, disabled_at, password_hash) ON app.members TO rivet_application;
GRANT UPDATE (retention_days, terminated_at) ON app.workspaces TO rivet_application;
GRANT INSERT ON app.automation_runs TO rivet_application;
GRANT UPDATE (name, steps) ON app.automations TO rivet_application;
GRANT UPDATE (url) ON app.webhooks TO rivet_application;
GRANT DELETE ON app.exports, app.conversations TO rivet_application;

CREATE POLICY plant ON app.notices TO rivet_planter USING (true);
GRANT SELECT, INSERT, DELETE ON app.notices TO rivet_planter;

-- Whoever holds an invitation has no session yet: this question is answered with the rights of a role that can read nothing else.
CREATE POLICY login ON app.invitations FOR SELECT TO rivet_login USING (true);
GRANT SELECT (workspace_id, member_id, digest) ON app.invitations TO rivet_login;
CREATE FUNCTION app.member_of_invitation(wanted bytea)
    RETURNS TABLE (workspace_id uuid, member_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ SELECT i.workspace_id, i.member_id FROM app.invitations i WHERE i.digest = wanted $$;
RESET ROLE;
ALTER FUNCTION app.member_of_invitation(bytea) OWNER TO rivet_login;
REVOKE ALL ON FUNCTION app.member_of_invitation(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.member_of_invitation(bytea) TO rivet_application;
