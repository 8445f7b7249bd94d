"""What the benchmarks' JSON files say: ratios to peers with intervals, as tables and plots."""
