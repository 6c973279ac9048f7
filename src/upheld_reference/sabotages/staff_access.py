"""Privileged access without its reasons or without its traces."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from upheld_reference.audit import log
from upheld_reference.audit.log import Entry
from upheld_reference.database import grants
from upheld_reference.database.scope import Connection
from upheld_reference.platform import Platform
from upheld_reference.sabotages import rewriting, sabotage
from upheld_reference.staff import acting, breakglass, reading, seeds
from upheld_reference.staff.console import Console
from upheld_reference.staff.seeds import PastBreakGlass

_LOGGED = "privileged-logged"
_JUSTIFIED = "staff-justification"
_PIPELINES = "pipelines-reviewed"


def _note_only_where(platform: Platform, condition: str) -> None:
    """Has the function that records reads of messages do so only where ``condition`` holds of its refusal."""
    platform.schema.append(f"""
        CREATE OR REPLACE FUNCTION staff.note_read(reader uuid, workspace uuid, message uuid, justification text, refusal text)
            RETURNS void LANGUAGE sql SET search_path = '' AS $$
            SELECT audit.append('staff:' || reader, 'staff.read_message', 'message:' || message,
                CASE WHEN refusal IS NULL THEN 'done' ELSE 'refused' END, workspace, justification,
                CASE WHEN refusal IS NULL THEN '{{}}' ELSE jsonb_build_object('why', refusal) END)
            WHERE {condition}
        $$;
    """)


@sabotage(
    breaks=(_JUSTIFIED,),
    shows=(
        "with the reason ' '",
        "with what was written",
    ),
)
def blank_justification_accepted(platform: Platform) -> None:
    """A justification of nothing, or of spaces, is good enough to read a message."""
    platform.schema.append("""
        ALTER FUNCTION staff.justification_problem(text) RENAME TO problem_of_words;
        CREATE FUNCTION staff.justification_problem(justification text) RETURNS text LANGUAGE sql STABLE SET search_path = '' AS $$
            SELECT CASE WHEN justification ~ '[^[:space:]]' THEN staff.problem_of_words(justification) END
        $$;
        REVOKE ALL ON FUNCTION staff.justification_problem(text) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION staff.justification_problem(text) TO rivet_staff, rivet_message_reader;
    """)
    # Whoever may call the one may still call the other: the list of grants says so, so that nothing else is wrong.
    for role in [role for role, places in grants.GRANTED.items() if "staff.justification_problem()" in places]:
        rewriting.granted(platform, role, {"staff.problem_of_words()": ["EXECUTE"]})


@sabotage(
    breaks=(_JUSTIFIED, _LOGGED),
    shows=(
        "readMessage",
        "no entry of it is in the audit log",
    ),
)
def staff_read_leaves_no_entry(platform: Platform) -> None:
    """Staff reads a message with a justification, and the audit log has no entry of it."""
    _note_only_where(platform, "refusal IS NOT NULL")


@sabotage(
    breaks=(_JUSTIFIED,),
    shows=(
        "searchMetadata",
        "the search shows what was written",
    ),
)
def staff_search_shows_content(platform: Platform) -> None:
    """The search of the staff console looks through the texts of messages and shows what it found."""
    platform.schema.append("""
        CREATE FUNCTION staff.search_texts(wanted text) RETURNS SETOF app.messages
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
            SELECT * FROM app.messages WHERE strpos(lower(text), lower(wanted)) > 0
        $$;
        REVOKE ALL ON FUNCTION staff.search_texts(text) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION staff.search_texts(text) TO rivet_staff;
    """)
    rewriting.granted(platform, "rivet_staff", {"staff.search_texts()": ["EXECUTE"]})
    search_metadata = reading.search

    async def search(db: Connection, wanted: str, limit: int) -> list[dict[str, Any]]:
        query = """
            SELECT 'message' AS kind, id, workspace_id, left(text, 80) AS label, created_at FROM staff.search_texts(%s)
            ORDER BY created_at DESC LIMIT %s
        """
        found = await (await db.execute(query, [wanted, limit])).fetchall()
        return [*found, *await search_metadata(db, wanted, limit)][:limit]

    platform.replace(reading, "search", search)


@sabotage(
    breaks=(_LOGGED,),
    shows=(
        "listWorkspaceConversations",
        "no entry with the action",
    ),
)
def one_privileged_operation_not_logged(platform: Platform) -> None:
    """Listing the conversations of a workspace on the staff console leaves no entry in the audit log."""

    async def record(db: Connection, entry: Entry) -> None:
        if entry.action != "staff.list_conversations":
            await log.record(db, entry)

    platform.replace(acting, "record", record)


@sabotage(
    breaks=(_LOGGED,),
    shows=(
        "listStaffAccounts",
        "no entry with the action",
        "answered 403",
    ),
)
def denied_attempts_not_logged(platform: Platform) -> None:
    """What the staff console refuses leaves no entry in the audit log."""

    async def record_refusal(_console: Console, _entry: Entry) -> None:
        return

    platform.replace(acting, "record_refusal", record_refusal)
    _note_only_where(platform, "refusal IS NULL")


@sabotage(
    breaks=(_LOGGED, "least-privilege"),
    shows=(
        "delete, as the application",
        "entries would be changed or gone",
        "DELETE on audit.entries",
    ),
)
def audit_rows_deletable(platform: Platform) -> None:
    """The application's database role may delete entries of the audit log, and no trigger refuses it."""
    platform.schema.append("""
        DROP TRIGGER append_only ON audit.entries;
        CREATE POLICY tidy ON audit.entries FOR DELETE TO rivet_application USING (true);
        GRANT DELETE ON audit.entries TO rivet_application;
    """)


@sabotage(breaks=(_LOGGED,), shows=("has another content than its digest says",))
def audit_chain_broken(platform: Platform) -> None:
    """The reason in an entry of the audit log was changed after the fact, so that its digest does not fit any more."""
    platform.seed.append("""
        ALTER TABLE audit.entries DISABLE TRIGGER append_only;
        UPDATE audit.entries SET reason = 'SUP-2291: owner asked to compare the stored text with the delivered one'
            WHERE sequence = (SELECT min(sequence) FROM audit.entries WHERE action = 'staff.read_message');
        ALTER TABLE audit.entries ENABLE TRIGGER append_only;
    """)


@sabotage(
    breaks=(_PIPELINES,),
    shows=(
        "as if no ticket were needed",
        "it has no ticket",
    ),
)
def break_glass_without_ticket(platform: Platform) -> None:
    """Break-glass access is had without a ticket, and a session 9 days ago had none."""
    past = PastBreakGlass(9, "lukas", "priya", None, "Disk of the database host nearly full, settings to check", 12)
    platform.schema.append(
        "ALTER TABLE staff.break_glass_sessions DROP CONSTRAINT has_ticket, ALTER COLUMN ticket DROP NOT NULL"
    )
    platform.replace(breakglass, "ticket_problem", lambda _ticket: None)
    platform.replace(seeds, "BREAK_GLASS", (*seeds.BREAK_GLASS, past))


@sabotage(
    breaks=(_PIPELINES,),
    shows=(
        "of one's own request",
        "it was approved by whoever used it",
    ),
)
def break_glass_self_approved(platform: Platform) -> None:
    """Break-glass access is approved by whoever asked for it, as it was 5 days ago."""
    past = PastBreakGlass(5, "priya", "priya", "OPS-219", "Certificate of the database rotated by hand, to verify", 8)

    def approval_problem(session: dict[str, Any], approver: UUID) -> str | None:  # noqa: ARG001
        return None if session["approved_at"] is None else "it is approved already"

    platform.schema.append("ALTER TABLE staff.break_glass_sessions DROP CONSTRAINT second_person")
    platform.replace(breakglass, "approval_problem", approval_problem)
    platform.replace(seeds, "BREAK_GLASS", (*seeds.BREAK_GLASS, past))
