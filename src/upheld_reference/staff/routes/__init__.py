"""The operations of the staff console, a module for each kind."""
