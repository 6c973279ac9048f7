"""Account ids and phone numbers that stand where their tokens do."""

from __future__ import annotations

from upheld_reference.platform import Platform
from upheld_reference.sabotages import rewriting, sabotage

_CLAIM = "ids-apart-from-tokens"


@sabotage(breaks=(_CLAIM,), shows=("table vault.whatsapp_tokens",))
def ids_and_tokens_in_one_table(platform: Platform) -> None:
    """The table of tokens also has the account's id at Meta and its phone number."""
    platform.schema.append("""
        ALTER TABLE vault.whatsapp_tokens ADD COLUMN waba_id text, ADD COLUMN phone_number text;
        CREATE FUNCTION meta.repeat_ids() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
        BEGIN
            UPDATE vault.whatsapp_tokens SET waba_id = NEW.waba_id, phone_number = NEW.phone_number
                WHERE account_id = NEW.id;
            RETURN NULL;
        END $$;
        REVOKE ALL ON FUNCTION meta.repeat_ids() FROM PUBLIC;
        CREATE TRIGGER repeat_ids AFTER INSERT OR UPDATE ON meta.whatsapp_accounts
            FOR EACH ROW EXECUTE FUNCTION meta.repeat_ids();
    """)
    platform.seed.append("UPDATE meta.whatsapp_accounts SET waba_id = waba_id")
    # The data inventory tells the truth about it, so that nothing else is wrong.
    columns = {"waba_id": "Names the account to Meta", "phone_number": "Says which number it is"}
    rewriting.inventory(platform, "vault.whatsapp_tokens", columns, "personal")


@sabotage(breaks=(_CLAIM, "least-privilege"), shows=("view app.whatsapp_connections",))
def view_joins_ids_and_tokens(platform: Platform) -> None:
    """A view joins account ids and phone numbers with their sealed tokens, and the application may read it."""
    platform.schema.append("""
        CREATE VIEW app.whatsapp_connections AS
            SELECT a.id, a.workspace_id, a.waba_id, a.phone_number_id, a.phone_number, t.sealed
            FROM meta.whatsapp_accounts a JOIN vault.whatsapp_tokens t ON t.account_id = a.id
            WHERE a.workspace_id = app.current_workspace();
        GRANT SELECT ON app.whatsapp_connections TO rivet_application;
    """)
