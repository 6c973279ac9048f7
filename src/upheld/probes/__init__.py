"""The instruments through which checks see the world. They observe and never judge."""
