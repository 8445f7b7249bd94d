"""Data sets: each module fetches one, verifies it and hands it out as arrays."""
