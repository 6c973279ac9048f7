-- Runs as superuser. rivet_owner owns every table; row security is forced, so that not even the owner reads past a policy.
CREATE SCHEMA app AUTHORIZATION rivet_owner;
CREATE SCHEMA meta AUTHORIZATION rivet_owner;
SET ROLE rivet_owner;

CREATE TABLE app.workspaces (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    plan text NOT NULL CHECK (plan IN ('starter', 'business', 'agency')),
    retention_days integer NOT NULL DEFAULT 90 CHECK (retention_days BETWEEN 1 AND 3650),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app.members (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    email text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'agent', 'viewer')),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- References between tenant tables carry the workspace, so that a row can only point at rows of its own workspace.
CREATE TABLE app.contacts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    name text NOT NULL,
    phone_number text NOT NULL,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id)
);

CREATE TABLE app.conversations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    contact_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES app.contacts (workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE app.messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    conversation_id uuid NOT NULL,
    direction text NOT NULL DEFAULT 'outbound' CHECK (direction IN ('inbound', 'outbound')),
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (workspace_id, conversation_id) REFERENCES app.conversations (workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE app.templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    name text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app.automations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    name text NOT NULL,
    steps jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id)
);

CREATE TABLE app.automation_runs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    automation_id uuid,
    outcome text NOT NULL DEFAULT 'completed',
    detail text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (workspace_id, automation_id) REFERENCES app.automations (workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE app.message_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    direction text NOT NULL DEFAULT 'outbound',
    content text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app.webhooks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    url text NOT NULL CHECK (url LIKE 'https://%'),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id)
);

-- An export holds copies of logs; it expires with the oldest of them, not with its own date.
CREATE TABLE app.exports (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    kind text NOT NULL DEFAULT 'message_logs',
    oldest_record_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON app.message_logs (workspace_id, created_at);
CREATE INDEX ON app.automation_runs (workspace_id, created_at);
CREATE INDEX ON app.exports (workspace_id, created_at);

-- WhatsApp Business Account ids and phone numbers stand apart from the tokens that belong to them.
CREATE TABLE meta.whatsapp_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    waba_id text NOT NULL,
    phone_number_id text NOT NULL,
    phone_number text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, phone_number)
);

-- A workspace that is not set, or set to the empty string, is no workspace: nothing matches.
CREATE FUNCTION app.current_workspace() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('rivet.workspace_id', true), '')::uuid;

GRANT USAGE ON SCHEMA app, meta TO rivet_application, rivet_auditor;
GRANT USAGE ON SCHEMA app TO rivet_retention, rivet_planter, rivet_login;
REVOKE ALL ON FUNCTION app.current_workspace() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.current_workspace() TO rivet_application;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app.workspaces', 'app.members', 'app.contacts', 'app.conversations', 'app.messages', 'app.templates',
        'app.automations', 'app.automation_runs', 'app.message_logs', 'app.webhooks', 'app.exports',
        'meta.whatsapp_accounts']
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %s TO rivet_application USING (%I = app.current_workspace())', name,
            CASE name WHEN 'app.workspaces' THEN 'id' ELSE 'workspace_id' END);
        EXECUTE format('CREATE POLICY audit ON %s FOR SELECT TO rivet_auditor USING (true)', name);
        EXECUTE format('GRANT SELECT ON %s TO rivet_auditor', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['app.automation_runs', 'app.message_logs', 'app.exports'] LOOP
        EXECUTE format('CREATE POLICY expire ON %s FOR DELETE TO rivet_retention USING (true)', name);
        EXECUTE format('CREATE POLICY expiring ON %s FOR SELECT TO rivet_retention USING (true)', name);
        EXECUTE format('GRANT SELECT, DELETE ON %s TO rivet_retention', name);
        EXECUTE format('CREATE POLICY plant ON %s TO rivet_planter USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, DELETE ON %s TO rivet_planter', name);
    END LOOP;
END $$;

CREATE POLICY periods ON app.workspaces FOR SELECT TO rivet_retention USING (true);
GRANT SELECT (id, retention_days) ON app.workspaces TO rivet_retention;

GRANT SELECT ON app.workspaces TO rivet_application;
GRANT SELECT (id, workspace_id, email, role, created_at) ON app.members TO rivet_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.contacts, app.templates TO rivet_application;
GRANT SELECT, INSERT ON app.conversations, app.messages, app.message_logs, app.exports TO rivet_application;
GRANT SELECT, INSERT, DELETE ON app.automations, app.webhooks TO rivet_application;
GRANT SELECT ON app.automation_runs TO rivet_application;
GRANT SELECT, INSERT, UPDATE ON meta.whatsapp_accounts TO rivet_application;

-- Before login no workspace is known: this one question, answered with the rights of a role that can read nothing else.
CREATE POLICY login ON app.members FOR SELECT TO rivet_login USING (true);
GRANT SELECT (id, workspace_id, email, password_hash) ON app.members TO rivet_login;
CREATE FUNCTION app.member_for_login(wanted text)
    RETURNS TABLE (id uuid, workspace_id uuid, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ SELECT m.id, m.workspace_id, m.password_hash FROM app.members m WHERE m.email = lower(wanted) $$;
RESET ROLE;
ALTER FUNCTION app.member_for_login(text) OWNER TO rivet_login;
REVOKE ALL ON FUNCTION app.member_for_login(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.member_for_login(text) TO rivet_application;
