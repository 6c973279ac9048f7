-- Credentials, sealed. Schema vault belongs to an owner of its own and is used by the vault service alone: no foreign key
-- leads over its border, for who checks one needs to read the other side. What belongs to nothing any more, a job removes.
CREATE SCHEMA vault AUTHORIZATION rivet_vault_owner;
SET ROLE rivet_vault_owner;

CREATE TABLE vault.whatsapp_tokens (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    account_id uuid NOT NULL UNIQUE,
    sealed bytea NOT NULL,
    key_id text NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now(),
    received_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE vault.webhook_secrets (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    webhook_id uuid NOT NULL UNIQUE,
    sealed bytea NOT NULL,
    key_id text NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE vault.integration_keys (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    name text NOT NULL,
    sealed bytea NOT NULL,
    key_id text NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON vault.whatsapp_tokens (workspace_id);
CREATE INDEX ON vault.webhook_secrets (workspace_id);
CREATE INDEX ON vault.integration_keys (workspace_id);

-- As app.current_workspace(): the vault's role cannot call that one.
CREATE FUNCTION vault.current_workspace() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('rivet.workspace_id', true), '')::uuid;
REVOKE ALL ON FUNCTION vault.current_workspace() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.current_workspace() TO rivet_vault;
GRANT USAGE ON SCHEMA vault TO rivet_vault, rivet_vault_auditor;
GRANT USAGE, CREATE ON SCHEMA vault TO rivet_vault_census;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['vault.whatsapp_tokens', 'vault.webhook_secrets', 'vault.integration_keys'] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %s TO rivet_vault USING (workspace_id = vault.current_workspace())', name);
        EXECUTE format('CREATE POLICY census ON %s FOR SELECT TO rivet_vault_census USING (true)', name);
        EXECUTE format('CREATE POLICY audit ON %s FOR SELECT TO rivet_vault_auditor USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO rivet_vault', name);
        EXECUTE format('GRANT SELECT (workspace_id) ON %s TO rivet_vault_census', name);
        EXECUTE format('GRANT SELECT ON %s TO rivet_vault_auditor', name);
    END LOOP;
END $$;

-- Sealing everything anew and removing leftovers go through every workspace: which those are is all that this tells.
CREATE FUNCTION vault.workspaces() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$
        SELECT workspace_id FROM vault.whatsapp_tokens UNION SELECT workspace_id FROM vault.webhook_secrets
        UNION SELECT workspace_id FROM vault.integration_keys
    $$;
RESET ROLE;
ALTER FUNCTION vault.workspaces() OWNER TO rivet_vault_census;
REVOKE CREATE ON SCHEMA vault FROM rivet_vault_census;
REVOKE ALL ON FUNCTION vault.workspaces() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.workspaces() TO rivet_vault;
