"""Events in packs: a few hundred at a time, column by column, as one compressed row.

Beside the packs stands one narrow table, `event_ids`: 40 bits of the hash of each id (event, subject, correlation,
trace), and the pack it is in. Two ids may share a hash: what a pack really holds decides, so that costs a look more.
"""
