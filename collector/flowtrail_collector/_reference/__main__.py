import sys

from flowtrail_collector._reference import page

sys.stdout.write(page())
