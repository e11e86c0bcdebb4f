"""What keeps running: threads, leadership, retention, and figures about the collector itself."""
