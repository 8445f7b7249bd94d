"""Benchmarks: lambda_fast beside its peers, interleaved in one run."""
