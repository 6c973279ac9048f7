"""All that one deployment is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_YEAR_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True)
class Settings:
    """The choices that the parts of a deployment are built from; units are in the names.

    The rate limit, the lockout, the retention interval and the pauses between deliveries are much shorter than a production platform's, so that an
    audit can watch them act and recover within seconds.
    """

    folder: Path
    """The folder that holds everything of the deployment."""
    token_lifetime_seconds: int = 900
    """How long an API access token is valid."""
    session_lifetime_seconds: int = 12 * 3600
    """How long somebody stays logged in by refresh tokens, counted from the login: a working day."""
    staff_session_seconds: int = 4 * 3600
    """How long a session of the staff console lasts at most."""
    staff_session_idle_seconds: int = 900
    """How long a session of the staff console lasts without being used."""
    staff_challenge_seconds: int = 120
    """How long staff has, after the password, to show the second factor."""
    staff_reset_seconds: int = 600
    """How long a link to set a password of staff works."""
    rate_limit_requests: int = 30
    """How many requests one client or one account may make to one route within a window."""
    rate_limit_window_seconds: int = 1
    """The length of the rate limit's window."""
    lockout_failures: int = 5
    """How many bad logins in a row lock an account."""
    lockout_seconds: int = 2
    """How long a locked account stays locked."""
    retention_days_default: int = 90
    """How long a workspace's message logs and automation runs are kept unless it chose otherwise."""
    deletion_after_days: int = 21
    """How many days after its termination a workspace is deleted: early enough that the last backup that still has it is
    removed within the 30 days that are promised, also when the job fails for a day."""
    retention_interval_seconds: float = 0.5
    """The pause between two runs of the retention job."""
    deletion_interval_seconds: float = 1.0
    """The pause between two runs of the deletion job."""
    hsts_max_age_seconds: int = 2 * _YEAR_SECONDS
    """The max-age of Strict-Transport-Security."""
    public_network: str = "127.80.0.0/16"
    """The block of loopback addresses that stands for the public internet, which a sandbox has not got."""
    webhook_ports: tuple[int, ...] = (443, 8443)
    """The TCP ports that webhooks may be delivered to; the second is for receivers that may not bind the first."""
    webhook_attempts: int = 3
    """How often a delivery is tried before it is given up."""
    webhook_backoff_seconds: float = 0.1
    """The pause after a delivery's first failed attempt; it doubles with each further one."""
    webhook_timeout_seconds: float = 3.0
    """How long a receiver has to take a connection and to answer, in all."""
    webhook_poll_seconds: float = 1.0
    """The pause between two looks of the worker at its queue when nobody wakes it."""
    token_rotation_advised_days: int = 90
    """How old a WhatsApp access token may get before its workspace is advised to rotate it."""
    token_advice_interval_seconds: float = 5.0
    """The pause between two runs of the job that looks for old tokens and for credentials that belong to nothing."""
    certificate_lifetime_days: int = 90
    """How long a server certificate is valid."""
    status_interval_seconds: float = 1.0
    """The time from one look of the status page at its components to the next."""
    status_samples_seconds: int = 900
    """How long the status page keeps every single look; days are summed up for 90 days."""
    web_session_idle_seconds: int = 1800
    """After how long without a page a session of the web application ends, before its whole lifetime is over."""
    backup_interval_hours: float = 24.0
    """How old the newest base backup may get before the next one is taken."""
    backup_window_days: int = 7
    """How far back the database can be restored to any instant."""
    backup_poll_seconds: float = 5.0
    """The pause between two looks whether a base backup is due or something is kept no longer."""
    wal_archive_timeout_seconds: int = 2
    """How long what was written may stay in an unfinished WAL segment, and so out of the archive."""
    spool_poll_seconds: float = 0.2
    """The pause between two looks of the backup agent into the spool."""
    heartbeat_seconds: float = 1.0
    """How soon after others wrote the heartbeat's row is written."""
