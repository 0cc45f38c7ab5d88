//! A server of RSS feeds on loopback, as units' own websites have them: validators and 304 included.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use jiff::Timestamp;
use lianbo_node::content::article::Article;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Some feeds, served until dropped.
#[derive(Debug)]
pub(super) struct Feeds {
    address: SocketAddr,
    served: Arc<Served>,
    _serving: JoinSet<std::io::Result<()>>,
}

#[derive(Debug)]
struct Served {
    feeds: Vec<Feed>,
    whole: AtomicUsize,
    unchanged: AtomicUsize,
}

#[derive(Debug)]
struct Feed {
    etag: String,
    text: Bytes,
}

impl Feeds {
    /// Serves one feed of each of these lists of items.
    pub(super) async fn serve(items: &[Vec<Article>]) -> anyhow::Result<Self> {
        let feeds = items.iter().enumerate().map(|(n, items)| Feed::of(n, items));
        let served = Served {
            feeds: feeds.collect::<anyhow::Result<_>>()?,
            whole: AtomicUsize::new(0),
            unchanged: AtomicUsize::new(0),
        };
        let served = Arc::new(served);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/{name}", get(answer)).with_state(served.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, served, _serving: serving })
    }

    /// Where feed `n` is.
    pub(super) fn url(&self, n: usize) -> String {
        format!("http://{}/{n}.xml", self.address)
    }

    /// Answers so far: whole feeds, and "unchanged".
    pub(super) fn answered(&self) -> (usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        (count(&self.served.whole), count(&self.served.unchanged))
    }
}

async fn answer(
    State(served): State<Arc<Served>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let n = name.strip_suffix(".xml").and_then(|n| n.parse::<usize>().ok());
    let Some(feed) = n.and_then(|n| served.feeds.get(n)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = [(ETAG, feed.etag.clone())];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == feed.etag.as_bytes()) {
        served.unchanged.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::NOT_MODIFIED, etag).into_response();
    }
    served.whole.fetch_add(1, Ordering::Relaxed);
    (etag, [(CONTENT_TYPE, "application/rss+xml")], feed.text.clone()).into_response()
}

impl Feed {
    fn of(n: usize, items: &[Article]) -> anyhow::Result<Self> {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\"><channel>\
             <title>乡镇{n}</title><link>http://node{n}.test/</link><description>d</description>\n"
        );
        for item in items {
            let (title, id) = (escaped(&item.title), item.id);
            // What stands in a description is HTML, escaped once more.
            let body = escaped(&escaped(&item.text));
            let date = Timestamp::from_millisecond(item.published_ms)?;
            let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC))?;
            writeln!(
                text,
                "<item><title>{title}</title><link>http://node{n}.test/{id}</link>\
                 <guid isPermaLink=\"false\">{n}-{id}</guid><pubDate>{date}</pubDate>\
                 <description>{body}</description></item>"
            )?;
        }
        text.push_str("</channel></rss>\n");
        let etag = format!("\"{}\"", blake3::hash(text.as_bytes()).to_hex());
        Ok(Self { etag, text: text.into() })
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
