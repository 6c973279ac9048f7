"""What visitors meet first: the web pages, the status page, the redirect from plain HTTP, and the security headers."""
