"""The platform's way out: names, addresses, connections, and the record of them."""
