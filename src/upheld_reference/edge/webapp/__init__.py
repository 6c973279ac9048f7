"""The web application: what a workspace's members use in a browser. Its pages work without script."""
