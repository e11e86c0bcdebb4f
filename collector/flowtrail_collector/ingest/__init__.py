"""From records to state: what a batch of records changes, in one transaction."""
