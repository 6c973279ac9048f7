-- Sessions of members. Of a refresh token only the SHA-256 digest is kept: it has 256 random bits, so that no slow hash is needed.
SET ROLE rivet_owner;

ALTER TABLE app.workspaces ADD COLUMN terminated_at timestamptz;
ALTER TABLE app.members ADD COLUMN disabled_at timestamptz, ADD UNIQUE (workspace_id, id);

CREATE TABLE app.sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    member_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    UNIQUE (workspace_id, id),
    FOREIGN KEY (workspace_id, member_id) REFERENCES app.members (workspace_id, id) ON DELETE CASCADE
);

-- Every refresh token that a session ever had, for one that comes back after it was exchanged has been stolen.
CREATE TABLE app.refresh_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    session_id uuid NOT NULL,
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    exchanged_at timestamptz,
    FOREIGN KEY (workspace_id, session_id) REFERENCES app.sessions (workspace_id, id) ON DELETE CASCADE
);

CREATE INDEX ON app.sessions (workspace_id, member_id);
CREATE INDEX ON app.refresh_tokens (workspace_id, session_id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app.sessions', 'app.refresh_tokens'] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_workspace ON %s TO rivet_application USING (workspace_id = app.current_workspace())', name);
        EXECUTE format('CREATE POLICY audit ON %s FOR SELECT TO rivet_auditor USING (true)', name);
        EXECUTE format('GRANT SELECT ON %s TO rivet_auditor', name);
        EXECUTE format('GRANT SELECT, INSERT ON %s TO rivet_application', name);
    END LOOP;
END $$;

GRANT UPDATE (revoked_at) ON app.sessions TO rivet_application;
GRANT UPDATE (exchanged_at) ON app.refresh_tokens TO rivet_application;
GRANT SELECT (disabled_at) ON app.members TO rivet_application;

-- Who holds a session now, asked at every request. It sets the workspace itself, with the caller's rights: one statement that is
-- planned once, where a setting and a question would be two. The names of its columns are those of the class Holder.
CREATE FUNCTION app.session_holder(wanted_session uuid, wanted_member uuid, wanted_workspace uuid)
    RETURNS TABLE (email text, role text, plan text, enabled boolean, session_lives boolean, workspace_lives boolean)
    LANGUAGE plpgsql SET search_path = ''
    AS $$
    BEGIN
        PERFORM set_config('rivet.workspace_id', wanted_workspace::text, true);
        RETURN QUERY
            SELECT m.email, m.role, w.plan, m.disabled_at IS NULL,
                s.revoked_at IS NULL AND s.expires_at > now(), w.terminated_at IS NULL
            FROM app.sessions s
                JOIN app.members m ON m.id = s.member_id AND m.workspace_id = s.workspace_id
                JOIN app.workspaces w ON w.id = s.workspace_id
            WHERE s.id = wanted_session AND s.member_id = wanted_member AND s.workspace_id = wanted_workspace;
    END $$;
REVOKE ALL ON FUNCTION app.session_holder(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.session_holder(uuid, uuid, uuid) TO rivet_application;

-- Before login no workspace is known: these two questions, answered with the rights of a role that can read nothing else.
CREATE POLICY login ON app.workspaces FOR SELECT TO rivet_login USING (true);
GRANT SELECT (id, terminated_at) ON app.workspaces TO rivet_login;
GRANT SELECT (disabled_at) ON app.members TO rivet_login;
CREATE POLICY login ON app.refresh_tokens FOR SELECT TO rivet_login USING (true);
GRANT SELECT (workspace_id, session_id, digest) ON app.refresh_tokens TO rivet_login;

DROP FUNCTION app.member_for_login(text);
CREATE FUNCTION app.member_for_login(wanted text)
    RETURNS TABLE (id uuid, workspace_id uuid, password_hash text, disabled boolean, terminated boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$
        SELECT m.id, m.workspace_id, m.password_hash, m.disabled_at IS NOT NULL, w.terminated_at IS NOT NULL
        FROM app.members m JOIN app.workspaces w ON w.id = m.workspace_id WHERE m.email = lower(wanted)
    $$;
CREATE FUNCTION app.session_of_refresh_token(wanted bytea)
    RETURNS TABLE (workspace_id uuid, session_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ SELECT t.workspace_id, t.session_id FROM app.refresh_tokens t WHERE t.digest = wanted $$;
RESET ROLE;
ALTER FUNCTION app.member_for_login(text) OWNER TO rivet_login;
ALTER FUNCTION app.session_of_refresh_token(bytea) OWNER TO rivet_login;
REVOKE ALL ON FUNCTION app.member_for_login(text), app.session_of_refresh_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.member_for_login(text), app.session_of_refresh_token(bytea) TO rivet_application;
