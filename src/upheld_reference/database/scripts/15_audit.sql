-- Runs as superuser. The audit log: entries are added through one function, chained by digests, and never changed.
-- Nobody who logs in owns it: an owner could take the triggers off.
CREATE ROLE rivet_audit NOLOGIN;
CREATE SCHEMA audit AUTHORIZATION rivet_audit;
GRANT USAGE ON SCHEMA app TO rivet_audit;
SET ROLE rivet_audit;

-- Actors and targets are identifiers, never names or e-mail addresses: the log outlives people's data. No foreign keys,
-- for it outlives the rows that it speaks of too.
CREATE TABLE audit.entries (
    sequence bigint PRIMARY KEY CHECK (sequence > 0),
    at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^(member|staff|service):[A-Za-z0-9_.-]{1,64}$'),
    action text NOT NULL CHECK (action ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$'),
    target text NOT NULL CHECK (target <> '' AND target !~ '@'),
    workspace_id uuid,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    reason text,
    details jsonb NOT NULL CHECK (jsonb_typeof(details) = 'object'),
    previous text NOT NULL UNIQUE CHECK (previous ~ '^[0-9a-f]{64}$'),
    digest text NOT NULL UNIQUE CHECK (digest ~ '^[0-9a-f]{64}$')
);
CREATE INDEX ON audit.entries (workspace_id, sequence);
CREATE INDEX ON audit.entries (action, sequence);

-- One JSON text for each value: keys in the order of their code points, no spaces, no floating point.
CREATE FUNCTION audit.canonical(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = '' AS $$
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN '{' || coalesce((SELECT string_agg(to_json(key)::text || ':' || audit.canonical(item), ',' ORDER BY key COLLATE "C")
                FROM jsonb_each(value) AS each (key, item)), '') || '}';
        WHEN 'array' THEN
            RETURN '[' || coalesce((SELECT string_agg(audit.canonical(item), ',' ORDER BY place)
                FROM jsonb_array_elements(value) WITH ORDINALITY AS elements (item, place)), '') || ']';
        WHEN 'number' THEN
            IF scale(value::numeric) > 0 THEN
                RAISE EXCEPTION 'an audit entry holds whole numbers only' USING ERRCODE = 'invalid_parameter_value';
            END IF;
            RETURN value::text;
        ELSE
            RETURN value::text;
    END CASE;
END $$;

CREATE FUNCTION audit.digest_of(entry audit.entries) RETURNS text LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT encode(sha256(convert_to(audit.canonical(
        (to_jsonb(entry) - 'digest')
        || jsonb_build_object('at', to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    ), 'UTF8')), 'hex')
$$;

-- Only for who may say when something happened: the first rows of a deployment.
CREATE FUNCTION audit.append_at(at timestamptz, actor text, action text, target text, outcome text, workspace_id uuid,
    reason text, details jsonb) RETURNS audit.entries LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    last audit.entries;
    entry audit.entries;
BEGIN
    -- Held until the caller's transaction ends, so that no two entries name the same predecessor.
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.entries', 0));
    SELECT * INTO last FROM audit.entries e ORDER BY e.sequence DESC LIMIT 1;
    entry.sequence := coalesce(last.sequence, 0) + 1;
    entry.at := greatest(append_at.at, last.at);  -- a clock that is set back must not reorder the log
    entry.actor := append_at.actor;
    entry.action := append_at.action;
    entry.target := append_at.target;
    entry.workspace_id := append_at.workspace_id;
    entry.outcome := append_at.outcome;
    entry.reason := append_at.reason;
    entry.details := append_at.details;
    entry.previous := coalesce(last.digest, repeat('0', 64));
    entry.digest := audit.digest_of(entry);
    INSERT INTO audit.entries VALUES (entry.*);
    RETURN entry;
END $$;

-- The staff console speaks for staff, everybody else for members and services; neither can sign as the other.
CREATE FUNCTION audit.append(actor text, action text, target text, outcome text, workspace_id uuid, reason text, details jsonb)
    RETURNS audit.entries LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF actor LIKE 'staff:%' AND session_user <> 'rivet_staff' OR actor LIKE 'member:%' AND session_user = 'rivet_staff' THEN
        RAISE EXCEPTION '% may not speak for %', session_user, split_part(actor, ':', 1) USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN audit.append_at(clock_timestamp(), actor, action, target, outcome, workspace_id, reason, details);
END $$;

CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

ALTER TABLE audit.entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.entries FORCE ROW LEVEL SECURITY;
CREATE POLICY extend ON audit.entries FOR INSERT TO rivet_audit WITH CHECK (true);
CREATE POLICY continue ON audit.entries FOR SELECT TO rivet_audit USING (true);
CREATE POLICY audit ON audit.entries FOR SELECT TO rivet_auditor, rivet_staff USING (true);
CREATE POLICY own_workspace ON audit.entries FOR SELECT TO rivet_application USING (workspace_id = app.current_workspace());

GRANT USAGE ON SCHEMA audit TO rivet_application, rivet_staff, rivet_auditor;
GRANT SELECT ON audit.entries TO rivet_application, rivet_staff, rivet_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text, uuid, text, jsonb) TO rivet_application, rivet_staff;
RESET ROLE;
