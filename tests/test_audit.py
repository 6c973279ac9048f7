"""The main job on real input: the untouched reference is upheld, and every sabotage turns exactly its claims.

Every audit here is a real `upheld run` over a deployment that was started for it.
"""

from __future__ import annotations

import json

import pytest

from calibration import ROOT, audit, cover, statuses
from upheld.calibrating import judge
from upheld_reference.sabotages import catalogue

DECIDED = {
    "transit-tls12",
    "rate-limits",
    "tokens-never-logged",
    "tenant-isolation",
    "retention-90-days",
    "at-rest-aes256",
    "disclosure-channel",
    "publication.page-matches-policy",
    "hosting-germany",
    "volume-encryption",
    "internal-mtls",
    "no-bounty",
    "transit-all-traffic",
    "uptime-monitored",
    "backups-pitr",
    "backups-encrypted",
    "data-location",
    "minimal-collection",
    "meta-terms",
    "meta-bsp",
    "no-data-sale",
    "incident-notice",
    "incident-notice-content",
    "incident-regulator",
    "incident-reviews",
    "disclosure-2-days",
    "subprocessors-dpa",
    "credentials-not-shared",
    "network-boundaries",
    "webhooks-https-signed",
    "mfa-internal",
    "staff-justification",
    "privileged-logged",
    "graph-https",
    "rbac",
    "deletion-30-days",
    "retention-configurable",
    "retention-header",
    "sensitive-encrypted",
    "peer-reviewed",
    "security-reviews",
    "deps-scanned",
    "security-in-process",
    "auto-patching",
    "short-lived-tokens",
    "pipelines-reviewed",
    "access-reviewed",
    "least-privilege",
    "ids-apart-from-tokens",
    "no-plaintext-credentials",
    "whatsapp-tokens-aes256",
    "webhook-secrets-aes256",
    "token-encrypted-on-receipt",
    "token-rotation",
    "input-output",
}

# What the findings must say of each defect, in words that name it.
WORDS = {
    "tls_1_0_on_one_port": ("TLS 1.0", "status"),
    "tls_1_1_on_one_port": ("TLS 1.1", "status"),
    "tls_1_1_at_most_on_one_port": ("1.2", "status"),
    "plain_http_serves_content": ("plain HTTP", "200"),
    "certificate_expired": ("expired",),
    "certificate_wrong_name": ("it is not for status.rivet.example",),
    "certificate_self_signed": ("self-signed",),
    "hsts_missing": ("Strict-Transport-Security",),
    "hsts_too_short": ("max-age",),
    "security_txt_expired": ("expired",),
    "security_txt_without_expires": ("Expires",),
    "security_txt_http_contact": ("http://",),
    "security_txt_wrong_media_type": ("text/html",),
    "security_txt_canonical_elsewhere": ("Canonical",),
    "page_with_new_sentence": ("no claim",),
    "page_with_changed_number": ("60", "90"),
    "page_with_removed_sentence": ("page",),
    "page_without_contact_link": ("names none of", "mailto:"),
    "vault_key_128_bits": ("128", "its key has 128 bits"),
    "vault_aes_ecb": ("ECB", "it is encrypted without authentication (AES-ECB)"),
    "vault_nonce_repeated": ("nonce",),
    "vault_base64_only": ("base64", "it lies there readable (base64 text)"),
    "one_sensitive_column_plain": ("plain", "readable as plain text"),
    "one_operation_unlimited": ("listTemplates", "not limited"),
    "rate_limit_trusts_forwarded_for": ("X-Forwarded-For",),
    "rate_limit_without_retry_after": ("Retry-After",),
    "login_lockout_missing": ("login",),
    "authorization_in_access_log": ("access",),
    "token_in_exception_trace": ("canary", "app.log"),
    "token_in_url_query": ("graph",),
    "redaction_misses_second_token": ("canary", "debug.log"),
    "one_object_type_readable_across_tenants": ("getTemplate",),
    "one_object_type_writable_across_tenants": ("Contact",),
    "search_leaks_across_tenants": ("searchWorkspace",),
    "nested_identifier_unchecked": ("template_id",),
    "row_security_off_for_one_table": ("conversations",),
    "export_downloadable_across_tenants": ("downloadExport",),
    "retention_job_off": ("message logs", "automation runs", "export", "kept for too long"),
    "retention_off_by_a_unit": ("message logs", "automation runs", "export", "kept for too long"),
    "retention_deletes_too_early": ("young: removed before its period was over",),
    "retention_forgets_automation_runs": ("automation",),
    "retention_keeps_exports": ("export",),
    "retention_soft_delete_keeps_content": ("kept for too long", "aged: still there after"),
    "one_staff_account_exempt": ("audit-burn2", "no second factor is set up"),
    "totp_replay_accepted": ("the code that was just used", "with a session"),
    "second_factor_optional": ("no code of", "with a session"),
    "password_reset_gives_session": ("a new password for", "opens the console as a session"),
    "blank_justification_accepted": ("with the reason ' '", "with what was written"),
    "staff_read_leaves_no_entry": ("readMessage", "no entry of it is in the audit log"),
    "staff_search_shows_content": ("searchMetadata", "the search shows what was written"),
    "one_privileged_operation_not_logged": ("listWorkspaceConversations", "no entry with the action"),
    "denied_attempts_not_logged": ("listStaffAccounts", "no entry with the action", "answered 403"),
    "audit_rows_deletable": (
        "delete, as the application",
        "entries would be changed or gone",
        "DELETE on audit.entries",
    ),
    "audit_chain_broken": ("has another content than its digest says",),
    "data_directory_on_plain_device": ("data directory", "not encrypted on /dev/sdc"),
    "wal_on_plain_device": ("write-ahead log", "not encrypted on /dev/sdc"),
    "only_root_disk_encrypted": ("temporary space", "not encrypted on /dev/sdb"),
    "host_region_elsewhere": ("Helsinki, FI",),
    "host_other_provider": ("DigitalOcean",),
    "host_facts_too_old": ("collected 400 days ago",),
    "extra_port_without_tls": ("http://api.rivet.example", "plain HTTP", "OpenAPI"),
    "subdomain_without_tls": ("http://help.rivet.example", "plain HTTP"),
    "mixed_content_on_a_page": ("mixed content", "site.css"),
    "status_page_stale": ("the newest look is",),
    "status_component_missing": ("api.rivet.example: missing",),
    "status_samples_with_a_hole": ("pauses are too long",),
    "security_txt_names_bounty": ("bug-bounty: True", "bounty.example.com"),
    "page_offers_bounty": ("rewarded",),
    "footer_links_to_bounty": ("links to https://bounty.example.com",),
    "client_certificate_optional": ("no certificate: let in",),
    "any_client_authority_accepted": ("another authority: let in",),
    "expired_client_certificate_accepted": ("expired certificate", "let in"),
    "database_without_tls": ("database", "let in without TLS"),
    "application_bypasses_row_security": ("app.contacts", "readable without a tenant", "bypasses row security"),
    "application_is_superuser": (
        "app.contacts",
        "readable without a tenant",
        "take the triggers off",
        "rivet_application: superuser",
        "as a superuser",
    ),
    "security_txt_signature_of_other_text": ("the signature does not match the text",),
    "shared_database_role_without_row_security": ("app.contacts", "row security is off"),
    "token_in_debug_log": ("canary", "debug", "WhatsApp access token in debug.log"),
    "token_in_error_log_when_graph_fails": ("canary", "error.log"),
    "webhook_secret_stored_plain": (
        "vault.webhook_secrets.sealed",
        "readable as plain text",
        "vault.webhook_secrets.sealed: it lies there readable (plain text)",
    ),
    "whatsapp_token_stored_plain": (
        "vault.whatsapp_tokens.sealed",
        "readable as plain text",
        "vault.whatsapp_tokens.sealed: it lies there readable (plain text)",
        "WhatsApp access token in write-ahead log",
    ),
    "workspace_header_unchecked": ("getUsage", "Workspace-Id"),
    "newest_backup_three_days_old": ("newest backup: finished 72",),
    "wal_segment_missing": ("1 missing of", "the restore ended with code 1"),
    "backup_of_zero_bytes": ("0 bytes before compression",),
    "archive_command_always_succeeds": ("the store holds no write-ahead log", "the store does not have it"),
    "backup_plain_gzip": ("readable as gzip",),
    "backup_key_beside_backups": ("holds the key",),
    "wal_archived_plain": ("readable as write-ahead log", "holds the word that was written"),
    "subprocessor_in_third_country": ("heatlens", "US is no declared place"),
    "data_flow_to_third_country": ("night-support", "PH is no declared place"),
    "privacy_policy_without_transfer": ("ZA: not named in",),
    "column_not_in_inventory": ("app.contacts", "date_of_birth is not in the inventory"),
    "inventory_entry_without_retention": ("app.contacts", "note has no retention"),
    "incident_notice_late": ("INC-6", "120.0 h after it was detected"),
    "incident_notice_missing": ("INC-4", "not told to customers"),
    "notice_without_steps_taken": ("INC-6", "steps taken"),
    "notice_without_data_affected": ("INC-2", "data affected"),
    "reportable_incident_without_reference": ("INC-3", "not reported to the regulator"),
    "regulator_report_late": ("INC-2", "480.0 h after it was detected"),
    "incident_review_missing": ("INC-5", "no review by"),
    "review_action_overdue": ("INC-6-2", "is open and was due on"),
    "report_acknowledged_on_third_business_day": ("VR-13", "acknowledged on"),
    "report_unanswered_past_deadline": ("VR-15", "not acknowledged by"),
    "meta_terms_attestation_expired": ("it expired on",),
    "meta_terms_signer_not_allowed": ("signature under meta-terms", "not among those of the allowed signers"),
    "meta_terms_document_changed": ("platform-terms.md", "was changed since it was signed"),
    "meta_bsp_attestation_expired": ("it expired on",),
    "meta_bsp_signature_invalid": ("it is no signature of this file",),
    "no_data_sale_attestation_expired": ("it expired on",),
    "no_data_sale_unsigned": ("there is no signature",),
    "credentials_attestation_expired": ("it expired on",),
    "undeclared_host_contacted": ("ingest.insight-metrics.example", "not declared", "in no entry"),
    "token_sent_to_analytics": ("(analytics)", "not declared", "in no entry"),
    "contacted_host_not_in_register": ("graph.rivet.example (graph)", "in no entry"),
    "agreement_expired": ("messwert", "the agreement ended on"),
    "agreement_document_missing": ("kaappay.md does not exist",),
    "agreement_document_changed": ("hetzner.md was changed since its digest was taken",),
    "subprocessor_receives_credentials": ("messwert", "receives credentials"),
    "graph_certificate_not_verified": ("pretending to be graph.rivet.example", "the certificate is not verified"),
    "graph_http_base_url_accepted": ("http://graph.rivet.example", "not https"),
    "graph_falls_back_to_http": ("http://graph.rivet.example", "not https"),
    "graph_http_url_in_code": ("plain-url in rivet/graph/retrying.py", "is not https"),
    "graph_verification_off_in_code": ("verification-off in rivet/graph/lenient.py", "CERT_NONE"),
    "webhook_http_accepted": ("http: a webhook without TLS was taken", "in plain text"),
    "webhook_certificate_not_verified": ("unknown authority: the certificate is not verified",),
    "webhook_signature_missing": ("it carries no signature",),
    "webhook_signature_over_part_of_body": ("covers only the first 64",),
    "webhook_shared_signing_key": ("the secret is shared",),
    "webhook_redirect_to_http_followed": ("redirect to plain http was followed",),
    "guard_checks_name_only": ("a name that resolves to", "leads inside"),
    "guard_resolves_twice": ("a name that resolves by turns to", "leads inside"),
    "guard_misses_odd_spellings": ("the URL https://0x", "leads inside"),
    "webhook_redirect_followed_inside": ("a redirect to https://", "leads inside"),
    "viewer_may_delete": ("deleteContact", "deleteWebhook", "to viewer, who may not"),
    "one_operation_without_role_check": ("updateTemplate", "to viewer, who may not"),
    "role_taken_from_request": ("owner claimed in header X-Role", "as if the claimed role were theirs"),
    "role_check_in_one_workspace_only": ("in globex", "to agent, who may not"),
    "mass_assignment_of_role": ("the role is owner", "updateMe", "role became 'owner'"),
    "server_error_on_odd_input": ("searchWorkspace", "query q, a NUL: answered 500"),
    "sql_injection_in_one_filter": ("listContacts", "query name (SQL, pattern in quotes)"),
    "stored_markup_unescaped_in_inbox": ("/inbox", "in a message: a script in it ran"),
    "markup_unescaped_in_login_error": ("/login, parameter email", "a script in it ran"),
    "refusals_served_as_html": ("text/html",),
    "inbox_data_served_as_html": ("/inbox.json", "data served as text/html"),
    "retention_setting_ignored": ("period 120 days: removed, as if the period were another",),
    "starter_may_set_retention": ("initech (starter plan)", "answered 200"),
    "retention_setting_is_global": ("when acme sets 120 days: its period is 120 days",),
    "retention_bounds_unchecked": ("366 days", "answered 200"),
    "deletion_forgets_one_table": ("app.contacts", "rows of hooli"),
    "deletion_leaves_files": ("export files", "files of hooli"),
    "anonymised_by_reversible_hash": ("app.invoices", "sha256 of hooli"),
    "deletion_job_off": ("app.members", "export files", "rows of hooli"),
    "direct_push": ("it came without a change",),
    "self_approved_change": ("sipho approved what sipho wrote",),
    "approval_before_last_push": ("not its last revision",),
    "author_approves_under_second_address": ("under another identity",),
    "protection_off_for_administrators": ("does not hold administrators",),
    "deploy_of_unreviewed_commit": ("nobody approved it",),
    "scan_continues_on_error": ("continue-on-error",),
    "scan_only_nightly": ("does not run on a push", "no job that scans dependencies"),
    "vulnerable_pin": ("jinja2 3.1.3", "GHSA-h75v-3vvj-5mfj"),
    "lock_file_not_scanned": ("requirements-ci.lock", "no scan of the pipeline covers it"),
    "build_without_scan": ("no job that scans dependencies",),
    "auth_change_without_security_review": ("touches auth", "not of the team security"),
    "codeowners_with_a_hole": ("belongs to @rivet/engineering by line",),
    "high_bandit_finding": ("B602 in rivet/operations/archive.py",),
    "certificate_verification_off_in_code": ("rivet/operations/mirror.py",),
    "unattended_upgrades_off": ("switched off",),
    "unattended_upgrades_stale": ("the last 40",),
    "security_update_pending_too_long": ("openssh-server", "and pending"),
    "update_bot_covers_part": ("dependabot.yml does not cover it",),
    "tokens_live_30_days": ("valid for 43200 minutes",),
    "token_expiry_not_checked": ("expired token 1: answered 200",),
    "token_alg_none_accepted": ("token forged: alg none: answered 200",),
    "token_of_other_key_accepted": ("token forged: other key: answered 200",),
    "revoked_tokens_accepted": ("access token of a revoked session: answered 200",),
    "refresh_tokens_reusable": ("refresh token that was exchanged before: answered 200",),
    "key_in_client_bundle": ("script https://app.rivet.example", "secret key at character"),
    "key_in_source_map": ("source map https://app.rivet.example", "secret key at character"),
    "deploy_outside_main": ("is not on the branch main, and never was its end",),
    "engineer_key_authorized": ("lukas@rivetsoftware.dev (deploy): not declared",),
    "engineer_account_on_host": ("lukas: undeclared",),
    "ssh_root_login_permitted": ("permitrootlogin: yes",),
    "ssh_password_login_permitted": ("passwordauthentication: yes",),
    "break_glass_without_ticket": ("as if no ticket were needed", "it has no ticket"),
    "break_glass_self_approved": ("of one's own request", "it was approved by whoever used it"),
    "access_review_overdue": ("AR-", "days until today"),
    "account_not_reviewed": ("naledi", "the review does not have it"),
    "role_change_carried_out_late": ("jonas", "carried out 21 days after it was decided"),
    "leaver_still_active": ("erik", "still on in the system"),
    "staff_session_keeps_old_role": ("whose account (security) is now support: answered 200, as before",),
    "old_session_keeps_its_role": ("who is now viewer: answered 200, as before",),
    "disabled_account_keeps_its_session": ("whose account is disabled: answered 200, as before",),
    "application_owns_tables": ("owns table app.contacts, table app.templates",),
    "edge_role_granted_credentials": ("on vault.webhook_secrets", "on vault.integration_keys"),
    "service_runs_as_root": ("rivet-worker",),
    "ids_and_tokens_in_one_table": ("table vault.whatsapp_tokens",),
    "view_joins_ids_and_tokens": ("view app.whatsapp_connections",),
    "whatsapp_tokens_with_hard_coded_key": ("in rivet/vault/sealing.py",),
    "webhook_secret_returned_whole": ("webhook signing secret in getWebhook", "the answer (200) holds it"),
    "token_in_json_column": ("table vault.sign_up_answers (plain", "write-ahead log"),
    "token_base64_in_queue_table": ("table vault.sign_up_queue (base64", "write-ahead log"),
    "token_parked_in_pending_table": ("WhatsApp access token in write-ahead log (plain",),
    "token_plain_in_job_queue": ("WhatsApp access token in write-ahead log (plain",),
    "old_token_still_used": ("a call after the rotation was made with the old one",),
    "no_rotation_advice": ("no word of 1 of 1, the oldest 200 days old",),
    "rotation_keeps_old_ciphertext": ("the old one is still in vault.whatsapp_tokens.sealed",),
    "member_passwords_plaintext": ("the harness's own password, as it is",),
    "refresh_tokens_kept_plain": ("values are no digests",),
    "member_passwords_unsalted_sha256": ("the harness's own password, as its bare SHA256 digest",),
    "credential_in_repository_env_file": (".env.production, line 2",),
    "credential_in_repository_history": (".env.staging, line 2, in the history only",),
}


@pytest.fixture(scope="module")
def untouched():
    return audit("-n", "2")


def test_the_untouched_reference_is_upheld_as_far_as_it_is_decided(untouched):
    found = statuses(untouched.run)
    assert untouched.claims("upheld", "attested") == DECIDED, untouched.words
    assert set(found.values()) <= {"upheld", "attested", "uncovered"}, untouched.words
    assert len(found) == 55
    assert untouched.code == (3 if "uncovered" in found.values() else 0), untouched.words
    assert untouched.run["complete"] is True


def test_every_pass_rests_on_findings_and_observations(untouched):
    run = untouched.run
    checks = [check for claim in run["claims"] for check in claim["checks"]]
    assert checks
    for check in checks:
        assert check["verdict"] == "pass"
        assert check["findings"]
        known = {observation["id"] for observation in check["observations"]}
        for finding in check["findings"]:
            assert finding["observations"], (check["id"], finding["subject"])
            assert set(finding["observations"]) <= known
        assert check["population"]["probed"] == check["population"]["found"] - len(check["population"]["left_out"])


def test_every_check_is_calibrated_for_the_code_that_stands(untouched):
    run = untouched.run
    uncalibrated = [check["id"] for claim in run["claims"] for check in claim["checks"] if not check["calibrated"]]
    assert not uncalibrated, "run `nox -s calibrate` after a change to checks"


def test_no_secret_of_the_deployment_is_in_the_evidence(untouched):
    text = json.dumps(untouched.run) + untouched.words
    # security.txt is signed in the clear: what surrounds its text and its signature is public. Nothing else armoured is.
    for public in ("-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"):
        text = text.replace(public, "")
    assert "BEGIN" not in text
    for word in ("EAAG", "eyJhbGciOi"):
        assert word not in text


def test_words_are_kept_for_every_sabotage_of_a_decided_claim():
    assert set(WORDS) == {name for name, sabotage in catalogue().items() if DECIDED & set(sabotage.breaks)}


FEW = cover(
    {name: one for name, one in catalogue().items() if name in WORDS},
    json.loads((ROOT / "calibration.json").read_text(encoding="utf-8"))["checks"],
)
"""Sabotages of which each family of checks catches one; `pytest -m exhaustive` audits with all the others."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FEW else pytest.mark.exhaustive) for name in sorted(WORDS)]
)
def test_a_sabotage_turns_its_claims_and_is_named(name, untouched):
    sabotage = catalogue()[name]
    broken = sorted(DECIDED & set(sabotage.breaks))
    audited = audit("-n", "2", "--sabotage", name, "--claims", ",".join([*broken, *sabotage.also]))
    assert audited.code == 1, audited.words
    outcome = judge(name, sabotage, audited, untouched)
    assert outcome.caught, audited.words
    assert outcome.missed == outcome.wrong == (), audited.words
    said = "\n".join(audited.findings())
    for word in WORDS[name]:
        assert word in said
    shipped = json.loads((ROOT / "calibration.json").read_text(encoding="utf-8"))["checks"]
    assert set(outcome.caught) <= {check for check, entry in shipped.items() if name in entry["caught"]}
