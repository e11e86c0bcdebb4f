"""Which types of events flow on which topics, who publishes them, and who reads them."""
