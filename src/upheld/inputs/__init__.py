"""Inputs that probes send, as data: each file says where they are from."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder with the files."""
