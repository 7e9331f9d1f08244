"""Image URLs to bytes: requests by host, politeness, the guard, the client."""
