"""What feedparser makes of a feed, as one JSON object. With an entity tag: what it makes of an answer to that.

usage: read_feed.py URL [ETAG]
"""

import json
import sys

import feedparser

feed = feedparser.parse(sys.argv[1], etag=sys.argv[2] if len(sys.argv) > 2 else None)
print(
    json.dumps(
        {
            "status": feed.status,
            "etag": feed.get("etag"),
            "bozo": str(feed.get("bozo_exception", "")),
            "version": feed.version,
            "title": feed.feed.get("title"),
            "id": feed.feed.get("id"),
            "updated": feed.feed.get("updated"),
            "links": {link.rel: link.href for link in feed.feed.get("links", [])},
            "deleted": feed.feed.get("at_deleted-entry"),
            "entries": [
                {
                    "id": it.id,
                    "title": it.title,
                    "link": it.link,
                    "author": it.author,
                    "published": it.published,
                    "updated": it.updated,
                    "category": it.tags[0].label,
                    "content": it.content[0].value if "content" in it else None,
                    "summary": it.summary,
                }
                for it in feed.entries
            ],
        }
    )
)
