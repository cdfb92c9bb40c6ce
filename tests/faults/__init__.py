"""Faults that tests make on purpose: between two programs, and to what they stand on."""
