"""A database and a broker that come as Python packages, for the demo and for tests."""
