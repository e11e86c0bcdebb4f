"""A batch consumer of the library's own."""

import os

import flowtrail

PREFIX = os.environ["PREFIX"]
trail = flowtrail.Trail(service=f"{PREFIX}archive")


@trail.consumer(f"{PREFIX}shipments", batch=50)
def archive(batch: flowtrail.Batch) -> None:
    for member in batch:
        with member as event:
            trail.publish(f"{PREFIX}archived", event.data, type="OrderArchived", subject=event.subject)


trail.run()
