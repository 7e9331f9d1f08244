"""Image URLs to bytes: requests by host, politeness, the guard against private addresses, the client."""
