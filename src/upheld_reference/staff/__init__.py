"""The staff console: how Rivet's own people look after the platform, with a second factor and under the audit log's eyes."""
