"""RabbitMQ: a copy of what its exchanges route, its queues as groups, and its dead letter queues."""
