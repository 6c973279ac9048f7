"""The platform's repository: its code with a reviewed history, its pipelines, its lock files and its deploys."""
