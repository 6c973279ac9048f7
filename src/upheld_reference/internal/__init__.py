"""What internal services share: their names, their certificates, and who may call whom."""
