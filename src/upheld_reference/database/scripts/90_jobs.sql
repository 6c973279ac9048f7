-- Runs after every other script: the rights of the jobs that remove things, on whatever tables there are by now.
DO $$
DECLARE
    name text;
BEGIN
    -- Retention deletes by age. What it may delete it lists in jobs.py.
    FOREACH name IN ARRAY ARRAY['app.messages', 'app.notices', 'app.sessions', 'app.invitations'] LOOP
        EXECUTE format('CREATE POLICY expire ON %s FOR DELETE TO rivet_retention USING (true)', name);
        EXECUTE format('CREATE POLICY expiring ON %s FOR SELECT TO rivet_retention USING (true)', name);
        EXECUTE format('GRANT DELETE ON %s TO rivet_retention', name);
    END LOOP;
END $$;
GRANT SELECT (workspace_id, created_at) ON app.messages, app.notices TO rivet_retention;
GRANT SELECT (expires_at) ON app.sessions, app.invitations TO rivet_retention;

-- Schema vault it does not see: the vault itself removes a workspace's credentials.
-- Deletion works on terminated workspaces, and on no other, whatever it is told: row security says so, not the job.
CREATE FUNCTION app.is_terminated(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ SELECT EXISTS (SELECT FROM app.workspaces w WHERE w.id = wanted AND w.terminated_at IS NOT NULL) $$;
ALTER FUNCTION app.is_terminated(uuid) OWNER TO rivet_login;
REVOKE ALL ON FUNCTION app.is_terminated(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.is_terminated(uuid) TO rivet_deletion;

DO $$
DECLARE
    name text;
    area text;
BEGIN
    FOR area, name IN
        SELECT n.nspname, format('%I.%I', n.nspname, c.relname)
        FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('audit', 'vault', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO rivet_deletion', area);
        EXECUTE format('CREATE POLICY ended ON %s FOR SELECT TO rivet_deletion USING (app.is_terminated(workspace_id))', name);
        EXECUTE format('CREATE POLICY remove_ended ON %s FOR DELETE TO rivet_deletion USING (app.is_terminated(workspace_id))', name);
        EXECUTE format('GRANT SELECT (workspace_id), DELETE ON %s TO rivet_deletion', name);
    END LOOP;
END $$;

CREATE POLICY ended ON app.workspaces FOR SELECT TO rivet_deletion USING (terminated_at IS NOT NULL);
CREATE POLICY remove_ended ON app.workspaces FOR DELETE TO rivet_deletion USING (terminated_at IS NOT NULL);
GRANT SELECT (id, name, terminated_at), DELETE ON app.workspaces TO rivet_deletion;
REVOKE DELETE ON app.invoices FROM rivet_deletion;
CREATE POLICY anonymise ON app.invoices FOR UPDATE TO rivet_deletion
    USING (app.is_terminated(workspace_id)) WITH CHECK (workspace_id IS NULL);
CREATE POLICY anonymised ON app.invoices FOR SELECT TO rivet_deletion USING (workspace_id IS NULL);
GRANT UPDATE (workspace_id, account, billed_to) ON app.invoices TO rivet_deletion;

-- What the deletion job did stays on record.
GRANT USAGE ON SCHEMA audit TO rivet_deletion;
GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text, uuid, text, jsonb) TO rivet_deletion;
