"""How a build grows: a synthetic crawl, builds of it, a ledger of 100,000 parts, and the cost of a whole crawl."""
