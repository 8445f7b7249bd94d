"""Runners: drive the steps."""
