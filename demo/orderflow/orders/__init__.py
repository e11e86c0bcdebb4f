"""Order Management: takes the customer's command and owns the life of an order. Event-sourced."""
