"""Webhooks: the queue of deliveries, their signatures, and the worker that sends them."""
