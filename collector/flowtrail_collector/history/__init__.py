"""How figures went over time: a sample a minute, kept for a week, drawn by the console without Prometheus."""
