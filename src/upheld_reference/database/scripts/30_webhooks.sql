-- Runs as superuser. The queue of webhook deliveries: filled by the application, worked off by rivet_worker.
-- rivet_queue logs in nowhere; it lends its rights to the one function that looks at all workspaces.
SET ROLE rivet_owner;

CREATE TABLE app.webhook_deliveries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES app.workspaces,
    webhook_id uuid NOT NULL,
    event text NOT NULL,
    body text,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts jsonb NOT NULL DEFAULT '[]',
    due_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (workspace_id, webhook_id) REFERENCES app.webhooks (workspace_id, id) ON DELETE CASCADE,
    -- What is sent is kept until it has arrived or was given up, and no longer.
    CHECK ((body IS NOT NULL) = (status = 'pending'))
);
CREATE INDEX ON app.webhook_deliveries (due_at) WHERE status = 'pending';
CREATE INDEX ON app.webhook_deliveries (workspace_id, created_at);

ALTER TABLE app.webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.webhook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON app.webhook_deliveries TO rivet_application, rivet_worker
    USING (workspace_id = app.current_workspace());
CREATE POLICY delivered_to ON app.webhooks FOR SELECT TO rivet_worker USING (workspace_id = app.current_workspace());
CREATE POLICY audit ON app.webhook_deliveries FOR SELECT TO rivet_auditor USING (true);
CREATE POLICY expire ON app.webhook_deliveries FOR DELETE TO rivet_retention USING (true);
CREATE POLICY expiring ON app.webhook_deliveries FOR SELECT TO rivet_retention USING (true);
CREATE POLICY due ON app.webhook_deliveries TO rivet_queue USING (true);

GRANT SELECT ON app.webhook_deliveries TO rivet_auditor;
GRANT SELECT, DELETE ON app.webhook_deliveries TO rivet_retention;
GRANT SELECT (id, workspace_id, webhook_id, event, status, attempts, created_at) ON app.webhook_deliveries TO rivet_application;
GRANT INSERT (workspace_id, webhook_id, event, body) ON app.webhook_deliveries TO rivet_application;

GRANT USAGE ON SCHEMA app TO rivet_worker, rivet_queue;
GRANT EXECUTE ON FUNCTION app.current_workspace() TO rivet_worker;
GRANT SELECT (id, workspace_id, url) ON app.webhooks TO rivet_worker;
GRANT SELECT (id, workspace_id, webhook_id, event, body, status, attempts) ON app.webhook_deliveries TO rivet_worker;
GRANT UPDATE (status, body, attempts, due_at) ON app.webhook_deliveries TO rivet_worker;

-- A worker that dies loses nothing: what it had claimed is due again when the lease is over. One workspace gets four at a time,
-- and none while it is busy, so that whoever has slow receivers or many events does not hold up the others.
GRANT SELECT (id, workspace_id, status, due_at), UPDATE (due_at) ON app.webhook_deliveries TO rivet_queue;
CREATE FUNCTION app.claim_webhook_deliveries(at_most integer, lease_seconds double precision, busy uuid[])
    RETURNS TABLE (id uuid, workspace_id uuid)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ''
    AS $$
        WITH due AS (
            SELECT d.id, row_number() OVER (PARTITION BY d.workspace_id ORDER BY d.due_at, d.id) AS place
            FROM app.webhook_deliveries d
            WHERE d.status = 'pending' AND d.due_at <= now() AND d.workspace_id <> ALL (busy)
        )
        UPDATE app.webhook_deliveries AS claimed SET due_at = now() + make_interval(secs => lease_seconds)
        WHERE claimed.id IN (
            SELECT d.id FROM app.webhook_deliveries d
            WHERE d.id IN (SELECT due.id FROM due WHERE due.place <= 4) AND d.status = 'pending' AND d.due_at <= now()
            ORDER BY d.due_at LIMIT at_most FOR UPDATE SKIP LOCKED
        )
        RETURNING claimed.id, claimed.workspace_id
    $$;
RESET ROLE;
ALTER FUNCTION app.claim_webhook_deliveries(integer, double precision, uuid[]) OWNER TO rivet_queue;
REVOKE ALL ON FUNCTION app.claim_webhook_deliveries(integer, double precision, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.claim_webhook_deliveries(integer, double precision, uuid[]) TO rivet_worker;
