"""One small run for all tests of evidence, and keys."""

from __future__ import annotations

import pytest

from evidence_runs import Keys, recorded
from upheld.evidence import bundle, inputs, keys
from upheld.keeping import standing


@pytest.fixture(scope="session")
def stood(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("evidence") / "project")


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """Another run of the same policy."""
    return recorded(tmp_path_factory.mktemp("evidence-other") / "project")


@pytest.fixture(scope="session")
def key_files(tmp_path_factory):
    folder = Keys(tmp_path_factory.mktemp("keys"))
    return {"ed25519": folder.ed25519, "p256": folder.p256, "ssh": folder.ssh}


@pytest.fixture(scope="session")
def made(stood, key_files):
    """Makes the bundle of a recorded run, in this process."""

    def make(recording=stood, key="ed25519", **options):
        signer = keys.signing_key(str(key_files[key]))
        return bundle.make(standing(recording.run), inputs.kept(recording.run), signer, **options)

    return make


@pytest.fixture(scope="session")
def whole(made):
    """The bundle of the small run, signed with the Ed25519 key."""
    return made()
