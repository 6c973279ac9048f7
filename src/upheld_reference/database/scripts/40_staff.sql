-- The staff console. Its role sees of customers' data what tells objects apart, and no content: the text of a message comes
-- out of one function, which asks for a justification and adds to the audit log in the same transaction.
CREATE ROLE rivet_message_reader NOLOGIN;
CREATE ROLE rivet_break_glass NOLOGIN;
CREATE SCHEMA staff AUTHORIZATION rivet_owner;
SET ROLE rivet_owner;

CREATE TABLE staff.accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    role text NOT NULL CHECK (role IN ('support', 'engineer', 'security')),
    kind text NOT NULL CHECK (kind IN ('person', 'audit')),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    last_login_at timestamptz
);

-- Each time step of a code counts once: last_step only grows.
CREATE TABLE staff.totp_seeds (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL UNIQUE REFERENCES staff.accounts,
    sealed bytea NOT NULL,
    key_id text NOT NULL,
    last_step bigint NOT NULL DEFAULT 0,
    enrolled_at timestamptz NOT NULL DEFAULT now()
);

-- Of challenges, sessions and reset links only SHA-256 digests are kept; each has 256 random bits, so that no slow hash is needed.
CREATE TABLE staff.challenges (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES staff.accounts,
    expires_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    used_at timestamptz
);

CREATE TABLE staff.sessions (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES staff.accounts,
    role text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    idle_until timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE staff.password_resets (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES staff.accounts,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE TABLE staff.break_glass_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    requested_by uuid NOT NULL REFERENCES staff.accounts,
    ticket text NOT NULL CONSTRAINT has_ticket CHECK (ticket ~ '^[A-Z]{2,6}-[0-9]{1,7}$'),
    reason text NOT NULL,
    duration_seconds integer NOT NULL CHECK (duration_seconds BETWEEN 1 AND 3600),
    requested_at timestamptz NOT NULL DEFAULT now(),
    approved_by uuid REFERENCES staff.accounts,
    approved_at timestamptz,
    started_at timestamptz,
    expires_at timestamptz,
    ended_at timestamptz,
    ended_by text CHECK (ended_by IN ('user', 'time limit')),
    CONSTRAINT second_person CHECK (approved_by <> requested_by),
    CONSTRAINT in_order CHECK (
        (approved_at IS NULL) = (approved_by IS NULL) AND (started_at IS NULL OR approved_at IS NOT NULL)
        AND (started_at IS NULL) = (expires_at IS NULL) AND (ended_at IS NULL OR started_at IS NOT NULL)
        AND (ended_at IS NULL) = (ended_by IS NULL))
);

CREATE TABLE staff.justification_rules (
    minimum_words integer NOT NULL,
    minimum_word_letters integer NOT NULL,
    ticket_pattern text NOT NULL,
    boilerplate text[] NOT NULL
);

-- Somebody who is disabled, or whose role changes, is logged out by the change itself, whoever makes it.
CREATE FUNCTION staff.log_out_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    UPDATE staff.sessions SET revoked_at = now() WHERE account_id = NEW.id AND revoked_at IS NULL;
    UPDATE staff.challenges SET used_at = now() WHERE account_id = NEW.id AND used_at IS NULL;
    UPDATE staff.password_resets SET used_at = now() WHERE account_id = NEW.id AND used_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER log_out_changed AFTER UPDATE OF role, disabled_at, password_hash ON staff.accounts FOR EACH ROW
    WHEN (OLD.role <> NEW.role OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at OR OLD.password_hash <> NEW.password_hash)
    EXECUTE FUNCTION staff.log_out_changed();

-- The account behind a session that is alive, with the role that it has now.
CREATE FUNCTION staff.live_session(session_digest text) RETURNS TABLE (account_id uuid, name text, email text, role text)
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT a.id, a.name, a.email, a.role FROM staff.sessions s JOIN staff.accounts a ON a.id = s.account_id
    WHERE s.digest = session_digest AND s.revoked_at IS NULL AND s.idle_until > now() AND s.expires_at > now()
        AND a.disabled_at IS NULL AND a.role = s.role
$$;

-- What is wrong with a justification, as a clause; NULL when nothing is.
CREATE FUNCTION staff.justification_problem(justification text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    rules staff.justification_rules;
    words text[];
BEGIN
    SELECT * INTO STRICT rules FROM staff.justification_rules;
    IF justification IS NULL OR justification !~ '[[:alnum:]]' THEN
        RETURN 'says nothing';
    END IF;
    IF NOT EXISTS (SELECT FROM regexp_matches(justification, rules.ticket_pattern)) THEN
        RETURN 'names no ticket';
    END IF;
    -- Words that count are those with letters, other than the ticket and than what could stand anywhere; each counts once.
    SELECT array_agg(DISTINCT word) INTO words
    FROM regexp_split_to_table(lower(regexp_replace(justification, rules.ticket_pattern, ' ', 'g')), '[^[:alpha:]]+') AS word
    WHERE length(word) >= rules.minimum_word_letters AND NOT word = ANY (rules.boilerplate);
    IF coalesce(cardinality(words), 0) < rules.minimum_words THEN
        RETURN format('has fewer than %s different words that say why', rules.minimum_words);
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['accounts', 'totp_seeds', 'challenges', 'sessions', 'password_resets', 'break_glass_sessions',
        'justification_rules']
    LOOP
        EXECUTE format('GRANT SELECT ON staff.%I TO rivet_auditor', name);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA staff TO rivet_staff, rivet_auditor, rivet_message_reader, rivet_break_glass;
GRANT USAGE ON SCHEMA app TO rivet_staff, rivet_message_reader;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA staff FROM PUBLIC;
GRANT EXECUTE ON FUNCTION staff.live_session(text), staff.justification_problem(text)
    TO rivet_staff, rivet_message_reader, rivet_break_glass;
GRANT SELECT ON staff.accounts, staff.totp_seeds, staff.challenges, staff.sessions, staff.password_resets,
    staff.break_glass_sessions TO rivet_staff;
GRANT UPDATE (role, disabled_at, password_hash, last_login_at) ON staff.accounts TO rivet_staff;
GRANT UPDATE (last_step) ON staff.totp_seeds TO rivet_staff;
GRANT INSERT ON staff.challenges, staff.sessions, staff.password_resets TO rivet_staff;
GRANT UPDATE (attempts, used_at) ON staff.challenges TO rivet_staff;
GRANT UPDATE (idle_until, revoked_at) ON staff.sessions TO rivet_staff;
GRANT UPDATE (used_at) ON staff.password_resets TO rivet_staff;
GRANT DELETE ON staff.challenges, staff.sessions, staff.password_resets TO rivet_staff;
GRANT INSERT (requested_by, ticket, reason, duration_seconds) ON staff.break_glass_sessions TO rivet_staff;
GRANT UPDATE (approved_by, approved_at, started_at, expires_at, ended_at, ended_by) ON staff.break_glass_sessions TO rivet_staff;
GRANT SELECT (digest, account_id, role, idle_until, expires_at, revoked_at) ON staff.sessions
    TO rivet_message_reader, rivet_break_glass;
GRANT SELECT (id, name, email, role, disabled_at) ON staff.accounts TO rivet_message_reader, rivet_break_glass;
GRANT SELECT ON staff.justification_rules TO rivet_staff, rivet_message_reader;
GRANT SELECT ON staff.break_glass_sessions TO rivet_break_glass;

-- Metadata without content: no text, no names, no numbers of contacts.
GRANT SELECT (id, name, plan, retention_days, created_at) ON app.workspaces TO rivet_staff;
GRANT SELECT (id, workspace_id, contact_id, created_at) ON app.conversations TO rivet_staff;
GRANT SELECT (id, workspace_id, conversation_id, direction, created_at) ON app.messages TO rivet_staff;
GRANT SELECT (id, workspace_id, conversation_id, direction, text, created_at) ON app.messages TO rivet_message_reader;
CREATE POLICY staff_metadata ON app.workspaces FOR SELECT TO rivet_staff USING (true);
CREATE POLICY staff_metadata ON app.conversations FOR SELECT TO rivet_staff USING (true);
CREATE POLICY staff_metadata ON app.messages FOR SELECT TO rivet_staff USING (true);
CREATE POLICY justified_reads ON app.messages FOR SELECT TO rivet_message_reader USING (true);

-- What break-glass access is for: how the platform's database is configured.
CREATE VIEW staff.platform_configuration AS
    SELECT name, setting AS value FROM pg_catalog.pg_settings
    WHERE name IN ('archive_mode', 'fsync', 'full_page_writes', 'listen_addresses', 'log_connections', 'log_statement',
        'max_connections', 'password_encryption', 'row_security', 'server_version', 'ssl', 'ssl_min_protocol_version',
        'synchronous_commit', 'wal_level');
GRANT SELECT ON staff.platform_configuration TO rivet_break_glass;
RESET ROLE;

GRANT USAGE ON SCHEMA audit TO rivet_message_reader, rivet_break_glass;
GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text, uuid, text, jsonb) TO rivet_message_reader, rivet_break_glass;

CREATE FUNCTION staff.note_read(reader uuid, workspace uuid, message uuid, justification text, refusal text) RETURNS void
    LANGUAGE sql SET search_path = '' AS $$
    SELECT audit.append('staff:' || reader, 'staff.read_message', 'message:' || message,
        CASE WHEN refusal IS NULL THEN 'done' ELSE 'refused' END, workspace, justification,
        CASE WHEN refusal IS NULL THEN '{}' ELSE jsonb_build_object('why', refusal) END)
$$;

-- The one way to the text of a message. Who reads is told by the session and not by the caller; an answer without an entry in
-- the audit log cannot be had, for both are one transaction. With a refusal there is no content.
CREATE FUNCTION staff.read_message(session_digest text, workspace uuid, message uuid, justification text)
    RETURNS TABLE (refusal text, id uuid, workspace_id uuid, conversation_id uuid, direction text, text text, created_at timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
#variable_conflict use_column
DECLARE
    reader record;
    found_message record;
    problem text;
BEGIN
    SELECT * INTO reader FROM staff.live_session(session_digest);
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'no session'::text, NULL::uuid, NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::timestamptz;
        RETURN;
    END IF;
    problem := CASE WHEN reader.role NOT IN ('support', 'security') THEN 'role' END;
    problem := coalesce(problem, 'justification ' || staff.justification_problem(justification));
    IF problem IS NULL THEN
        SELECT m.* INTO found_message FROM app.messages m WHERE m.id = message AND m.workspace_id = workspace;
        problem := CASE WHEN NOT FOUND THEN 'not found' END;
    END IF;
    PERFORM staff.note_read(reader.account_id, workspace, message, justification, problem);
    IF problem IS NULL THEN
        RETURN QUERY SELECT NULL::text, found_message.id, found_message.workspace_id, found_message.conversation_id,
            found_message.direction, found_message.text, found_message.created_at;
    ELSE
        RETURN QUERY SELECT problem, NULL::uuid, NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::timestamptz;
    END IF;
END $$;

-- Break-glass access: only in a session of one's own that was approved, was started and has not ended.
CREATE FUNCTION staff.read_platform_configuration(session_digest text, break_glass uuid)
    RETURNS TABLE (name text, value text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    reader record;
    glass staff.break_glass_sessions;
BEGIN
    SELECT * INTO reader FROM staff.live_session(session_digest);
    SELECT * INTO glass FROM staff.break_glass_sessions b WHERE b.id = break_glass;
    IF reader.account_id IS NULL OR glass.requested_by IS DISTINCT FROM reader.account_id OR glass.started_at IS NULL
        OR glass.ended_at IS NOT NULL OR glass.expires_at <= now() THEN
        RAISE EXCEPTION 'no running break-glass session of this account' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM audit.append('staff:' || reader.account_id, 'break_glass.read_configuration', 'break_glass:' || glass.id, 'done',
        NULL, glass.reason, jsonb_build_object('ticket', glass.ticket));
    RETURN QUERY SELECT c.name, c.value FROM staff.platform_configuration c ORDER BY c.name;
END $$;

ALTER FUNCTION staff.read_message(text, uuid, uuid, text) OWNER TO rivet_message_reader;
ALTER FUNCTION staff.note_read(uuid, uuid, uuid, text, text) OWNER TO rivet_message_reader;
ALTER FUNCTION staff.read_platform_configuration(text, uuid) OWNER TO rivet_break_glass;
REVOKE ALL ON FUNCTION staff.note_read(uuid, uuid, uuid, text, text), staff.read_message(text, uuid, uuid, text),
    staff.read_platform_configuration(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION staff.read_message(text, uuid, uuid, text), staff.read_platform_configuration(text, uuid) TO rivet_staff;
