"""orderflow: five bounded contexts that choreograph an order over Kafka, and nothing but Kafka.

`python -m orderflow demo` runs the whole of it; `python -m orderflow serve SERVICE` runs one service.
"""
