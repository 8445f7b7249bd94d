"""The peers, each written as a competent user of that tool would write it."""
