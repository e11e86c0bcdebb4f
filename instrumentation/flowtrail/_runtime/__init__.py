"""What runs behind a `Trail`: publishing, consumer groups, threads, signals."""
