"""What newsboat has in its cache, as one JSON array.

usage: newsboat_cache.py CACHE
"""

import json
import sqlite3
import sys

columns = ["guid", "title", "author", "url", "pubDate", "content", "deleted"]
cache = sqlite3.connect(sys.argv[1])
rows = cache.execute(f"SELECT {', '.join(columns)} FROM rss_item ORDER BY pubDate DESC")
print(json.dumps([dict(zip(columns, row)) for row in rows]))
